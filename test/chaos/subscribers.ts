// Chaos: live clients that stay through everything. Comes in: frames of whichever gateway answers. Goes
// out: which sequence numbers each applied, how often, and which losses it was told of.

import { WebSocket } from 'ws';

import { LiveClient } from '../../gateway/web/client.js';
import type { ServerFrame } from '../../schemas/live-frames.js';
import type { TenantId } from '../../schemas/ids.js';
import type { Slot } from './slots.js';

const topic = 'calls';

/** One dashboard of one tenant. */
export class Subscriber {
  /** How often each seq was applied. */
  readonly applied = new Map<number, number>();
  /** Spans (exclusive, inclusive) that a snapshot stood in for: the loss was said. */
  readonly told: { readonly after: number; readonly upTo: number }[] = [];
  readonly resyncs = new Map<string, number>();
  drains = 0;
  connections = 0;
  readonly #client: LiveClient;
  readonly #subscription;
  #highest = 0;
  #turn = 0;

  constructor(
    readonly tenant: TenantId,
    key: string,
    gateways: readonly Slot[],
  ) {
    this.#client = new LiveClient({
      url: 'ws://chosen-below',
      token: () => Promise.resolve(key),
      backOff: { shortestMs: 50, longestMs: 1_000 },
      createSocket: () => {
        this.#turn += 1;
        this.connections += 1;
        const gateway = gateways[this.#turn % gateways.length];
        const url = `${(gateway?.url ?? '').replace(/^http/, 'ws')}/v1/stream`;
        const socket = new WebSocket(url, { handshakeTimeout: 2_000 });
        socket.addEventListener('message', ({ data }) => {
          if (typeof data === 'string') this.#note(JSON.parse(data) as ServerFrame);
        });
        return socket;
      },
    });
    this.#subscription = this.#client.subscribe(topic);
    this.#subscription.onEvent((_, seq) => {
      this.applied.set(seq, (this.applied.get(seq) ?? 0) + 1);
      this.#highest = Math.max(this.#highest, seq);
    });
  }

  get isLive(): boolean {
    return this.#subscription.isLive;
  }

  /** Everything up to here is in its store. */
  get position(): number {
    return this.#subscription.cursor?.seq ?? 0;
  }

  close(): void {
    this.#client.close();
  }

  #note(frame: ServerFrame): void {
    if (frame.type === 'drain') this.drains += 1;
    if (frame.type === 'resync') {
      this.resyncs.set(frame.reason, (this.resyncs.get(frame.reason) ?? 0) + 1);
    }
    if (frame.type === 'snapshot') {
      const upTo = frame.asOf.seq;
      if (upTo > this.#highest) this.told.push({ after: this.#highest, upTo });
      this.#highest = Math.max(this.#highest, upTo);
    }
  }
}
