// End to end: a provider that knows two ingest nodes and repeats nothing: where one does not let it in
// (connection refused) it goes to the other, and every other failure is an error.

import { createSender, type Sender } from '../../cli/simulator/send.js';

/** What both nodes have for the base of their public URL. */
export const publicUrl = 'http://hooks.two-nodes.example';

/** Takes turns between `urls`; keeps its connections, as providers do. */
export function senderOf(urls: readonly string[]): Sender {
  const inner = createSender({ maxSockets: 32, timeoutMs: 15_000 });
  let turn = 0;
  return {
    async send(webhook, to) {
      const mine = (turn += 1);
      for (let i = 0; ; i += 1) {
        const at = new URL(to);
        at.host = new URL(urls[(mine + i) % urls.length] ?? '').host;
        const outcome = await inner.send(webhook, at);
        const isShut = outcome.status === null && outcome.error === 'ECONNREFUSED';
        if (!isShut || i === urls.length - 1) return outcome;
      }
    },
    close: () => {
      inner.close();
    },
  };
}
