// What a server takes at most: connections, connections that ask nothing, bodies that drip. Everything that a
// stranger can make us hold is counted here and has an end.

import type { UwsApp, UwsResponse } from './uws.js';

/** Bounds of one server. Heads and idle connections have deadlines inside uWebSockets.js: 8 to 12 s. */
export interface HttpBounds {
  /** From the head of a request to the last byte of its body; then 408. */
  readonly bodyMs: number;
  /** Bodies that are not complete yet, all together; then 503. */
  readonly bodyBytes: number;
  /** Open connections without WebSockets; one more is closed. */
  readonly connections: number;
  /** Connections of one address that have asked nothing yet; one more is closed. */
  readonly silentPerAddress: number;
  /** From a connection to the end of its PROXY header. */
  readonly proxyHeaderMs: number;
}

export const defaultBounds: HttpBounds = {
  bodyMs: 10_000,
  bodyBytes: 64 * 1024 * 1024,
  connections: 20_000,
  silentPerAddress: 2_000,
  proxyHeaderMs: 5_000,
};

/** What was closed or refused before a handler saw it; a closed set, for metrics. */
export const httpRefusals = [
  'ambiguous',
  'body_late',
  'body_memory',
  'connections',
  'silent_connections',
  'proxy_header',
] as const;
export type HttpRefusal = (typeof httpRefusals)[number];

/** What a server tells of itself, read when scraped. */
export class HttpCounts {
  readonly refused = new Map<HttpRefusal, number>(httpRefusals.map((reason) => [reason, 0]));
  connections = 0;
  /** Bytes of bodies that are not complete yet. */
  bodyBytes = 0;

  refuse(reason: HttpRefusal): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }
}

/** uWebSockets.js closes a connection that asks nothing within 12 s; later nothing is remembered of it. */
const generationMs = 16_000;

/**
 * Counts connections. Of a closed one uWebSockets.js no longer knows the address, only whether it had
 * asked something: so what is bounded per address is silence, which is what a slow attack has most of.
 * A request forgives its address one silent connection, another one's too: the bound errs to the mild side.
 */
export class Connections {
  #silent = new Map<string, number>();
  #silentBefore = new Map<string, number>();
  #turnAt = 0;

  constructor(
    private readonly bounds: HttpBounds,
    private readonly counts: HttpCounts,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  watch(app: UwsApp): void {
    app.filter((res, change) => {
      this.counts.connections += change;
      if (change > 0) this.#opened(res);
    });
  }

  /** A connection became a WebSocket; uWebSockets.js does not report its end. */
  upgraded(): void {
    this.counts.connections -= 1;
  }

  /** A request came, over a connection that may have been silent before. */
  asked(res: UwsResponse): void {
    if (this.#silent.size > 0 || this.#silentBefore.size > 0) this.#forgive(addressOf(res));
  }

  #opened(res: UwsResponse): void {
    if (this.counts.connections > this.bounds.connections) {
      this.counts.refuse('connections');
      res.close();
      return;
    }
    if (this.nowMs() >= this.#turnAt) this.#turn();
    const address = addressOf(res);
    // All connections of the PROXY front come from no address; it is the one that opens them.
    if (address === '') return;
    const silent = this.#silent.get(address) ?? 0;
    if (silent + (this.#silentBefore.get(address) ?? 0) >= this.bounds.silentPerAddress) {
      this.counts.refuse('silent_connections');
      res.close();
      return;
    }
    this.#silent.set(address, silent + 1);
    // Holds until the first request puts its own handler in place of it.
    res.onAborted(() => this.#forgive(address));
  }

  #forgive(address: string): void {
    const generation = this.#silentBefore.has(address) ? this.#silentBefore : this.#silent;
    const silent = generation.get(address);
    if (silent === undefined) return;
    if (silent > 1) generation.set(address, silent - 1);
    else generation.delete(address);
  }

  #turn(): void {
    this.#silentBefore = this.#silent;
    this.#silent = new Map();
    this.#turnAt = this.nowMs() + generationMs;
  }
}

const addressOf = (res: UwsResponse): string =>
  Buffer.from(res.getRemoteAddress()).toString('latin1');

/** A body on its way. */
export interface SlowBody {
  bytes: number;
  readonly expire: () => void;
  readonly until: number;
}

/** Bodies that did not come with their head: each has a deadline, all together a bound. */
export class SlowBodies {
  readonly #waiting = new Set<SlowBody>();
  #watch: NodeJS.Timeout | null = null;

  constructor(
    private readonly bounds: HttpBounds,
    private readonly counts: HttpCounts,
  ) {}

  /** `expire` is called once, when the deadline has passed and `leave` was not called. */
  enter(expire: () => void): SlowBody {
    const body = { bytes: 0, expire, until: performance.now() + this.bounds.bodyMs };
    this.#waiting.add(body);
    const everyMs = Math.max(10, Math.min(250, this.bounds.bodyMs / 4));
    this.#watch ??= setInterval(() => this.#expire(), everyMs).unref();
    return body;
  }

  /** False when there is no room for so many bytes more. */
  hold(body: SlowBody, bytes: number): boolean {
    body.bytes += bytes;
    this.counts.bodyBytes += bytes;
    return this.counts.bodyBytes <= this.bounds.bodyBytes;
  }

  leave(body: SlowBody): void {
    if (!this.#waiting.delete(body)) return;
    this.counts.bodyBytes -= body.bytes;
    if (this.#waiting.size > 0 || this.#watch === null) return;
    clearInterval(this.#watch);
    this.#watch = null;
  }

  // All wait equally long, so they stand in the order of their deadlines.
  #expire(): void {
    const now = performance.now();
    for (const body of this.#waiting) {
      if (body.until > now) return;
      this.leave(body);
      body.expire();
    }
  }
}
