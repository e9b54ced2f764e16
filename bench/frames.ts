// Bench: one client of a stream, of the product or of the bare gateway. Comes in: a port. Goes out: the text
// of each frame as it arrives.

import WebSocket from 'ws';

export interface Stream {
  readonly port: number;
  /** Null: the bare gateway, which knows nobody. */
  readonly apiKey: string | null;
}

/** Watches the topic `calls`; resolves once what comes from now on is live. */
export async function watch(
  { port, apiKey }: Stream,
  onFrame: (text: string) => void,
): Promise<{ close(): void }> {
  const headers = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, { headers });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.on('open', () => {
      if (apiKey === null) resolve();
      else socket.send(JSON.stringify({ type: 'subscribe', id: 'calls', topic: 'calls' }));
    });
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      if (text.startsWith('{"type":"live"')) resolve();
      if (text.startsWith('{"type":"error"')) reject(new Error(text));
      onFrame(text);
    });
  });
  return {
    close() {
      socket.terminate();
    },
  };
}
