// The stream's client, for browsers and Node: no dependency, one file. In: an address and a way to get a
// fresh token. Out: stores that equal the truth, each event applied exactly once, and an honest
// statement of how fresh they are. Protocol: schemas/live-frames.

import type {
  CallDetailItem,
  CallItem,
  ClientFrame,
  Cursor,
  LiveEvent,
  MessageItem,
  ServerFrame,
  StatsItem,
} from '../../schemas/live-frames.js';
import { LiveStore } from './store.js';

/** How fresh the stores are. `since` is ms since 1970: when this began, or for `stale` the last word heard. */
export interface LinkState {
  readonly status: 'connecting' | 'catching up' | 'live' | 'stale' | 'offline';
  readonly since: number;
}

/** The part of a WebSocket that is used; the browser's and the one of `ws` fit. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface LiveOptions {
  /** `ws:` or `wss:` address of `/v1/stream`. */
  readonly url: string;
  /** A token or API key; asked anew before every connection and before the last one expires. */
  readonly token: () => Promise<string>;
  /** Default: the global one. */
  readonly createSocket?: (url: string) => WebSocketLike;
  /** Shortest and longest wait before a new connection, in ms; with full jitter in between. */
  readonly backOff?: { readonly shortestMs: number; readonly longestMs: number };
  readonly now?: () => number;
  readonly random?: () => number;
}

/** What a topic's store holds, by id. */
export type ItemOf<T extends string> = T extends 'calls'
  ? CallItem
  : T extends 'messages'
    ? MessageItem
    : T extends 'stats'
      ? StatsItem
      : T extends `call:${string}`
        ? CallDetailItem
        : unknown;

/** One subscription and its store. */
export interface LiveSubscription<Item> {
  readonly topic: string;
  /** By call id, message id or minute; changes in place, so that an event costs the same in any store. */
  readonly items: ReadonlyMap<string, Item>;
  /** Counts changes of `items`. */
  readonly version: number;
  /** Everything up to here is in `items`; null before the first snapshot. */
  readonly cursor: Cursor | null;
  readonly isLive: boolean;
  /** Code and detail when the server refused it. */
  readonly error: { readonly code: string; readonly detail: string } | null;
  /** Called after every change; returns what ends it. */
  onChange(listener: () => void): () => void;
  /** Called for every event as it is applied, once for each seq. */
  onEvent(listener: (event: LiveEvent, seq: number) => void): () => void;
  close(): void;
}

const defaultBackOff = { shortestMs: 250, longestMs: 15_000 };
/** A link that was not live for so long is offline, not merely stale. */
const offlineAfterMs = 30_000;
const checkEveryMs = 500;

/** Opens a connection and keeps it; `close` ends it for good. */
export class LiveClient {
  private readonly stores = new Map<string, LiveStore>();
  private readonly stateListeners = new Set<(state: LinkState) => void>();
  private current: LinkState;
  private socket: WebSocketLike | null = null;
  private isReady = false;
  private isClosed = false;
  private wasLive = false;
  private attempts = 0;
  private heartbeatMs = 5_000;
  private heardAt: number;
  private refreshAt: number | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly checks: ReturnType<typeof setInterval>;
  private readonly now: () => number;

  constructor(private readonly options: LiveOptions) {
    this.now = options.now ?? Date.now;
    this.heardAt = this.now();
    this.current = { status: 'connecting', since: this.heardAt };
    this.checks = setInterval(() => {
      this.check();
    }, checkEveryMs);
    void this.connect();
  }

  get state(): LinkState {
    return this.current;
  }

  /** Called at once and after every change. */
  onState(listener: (state: LinkState) => void): () => void {
    this.stateListeners.add(listener);
    listener(this.current);
    return () => this.stateListeners.delete(listener);
  }

  /**
   * Subscribes to a topic. The same topic and filter give the same store; it is left when each of its
   * users has closed it. The id is made of topic and filter, so that the server can send one frame to
   * everybody who sees the same.
   */
  subscribe<T extends string>(
    topic: T,
    options: { readonly filter?: Readonly<Record<string, string>> } = {},
  ): LiveSubscription<ItemOf<T>> {
    const filter = Object.entries(options.filter ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    const id = [topic, ...filter.map(([name, value]) => `${name}=${value}`)].join('&');
    const known = this.stores.get(id);
    const store = known ?? new LiveStore(id, topic, options.filter, (left) => this.leave(left));
    this.stores.set(id, store);
    store.users += 1;
    if (known === undefined && this.isReady) this.ask(store);
    this.settle();
    return store as unknown as LiveSubscription<ItemOf<T>>;
  }

  /** Closes the connection and every subscription. */
  close(): void {
    this.isClosed = true;
    clearInterval(this.checks);
    clearTimeout(this.timer);
    this.drop();
    this.stores.clear();
  }

  /** Cuts the connection as a network would; it comes back by itself. For tests and for a changed network. */
  reconnect(): void {
    if (this.isClosed) return;
    this.drop();
    this.later();
  }

  private async connect(): Promise<void> {
    this.settle();
    let token: string;
    try {
      token = await this.options.token();
    } catch {
      this.later();
      return;
    }
    if (this.isClosed) return;
    const socket = this.options.createSocket?.(this.options.url) ?? new WebSocket(this.options.url);
    this.socket = socket;
    this.heardAt = this.now();
    socket.onopen = () => {
      if (socket === this.socket) this.send({ type: 'auth', token });
    };
    socket.onmessage = (event: { readonly data: unknown }) => {
      if (socket === this.socket) this.receive(String(event.data));
    };
    socket.onclose = () => {
      if (socket === this.socket) this.reconnect();
    };
    // A close follows every error.
    socket.onerror = () => undefined;
  }

  /** Lets go of the socket; what it still says is not listened to. */
  private drop(): void {
    const { socket } = this;
    this.socket = null;
    this.isReady = false;
    this.refreshAt = null;
    for (const store of this.stores.values()) store.disconnected();
    try {
      socket?.close();
    } catch {
      // A socket that was never open: there is nothing to close.
    }
    this.settle();
  }

  private later(atLeastMs = 0): void {
    const { shortestMs, longestMs } = this.options.backOff ?? defaultBackOff;
    const most = Math.min(longestMs, shortestMs * 2 ** Math.min(this.attempts, 16));
    this.attempts += 1;
    const random = this.options.random ?? Math.random;
    const waitMs = Math.max(atLeastMs, shortestMs / 2 + random() * most);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (!this.isClosed && this.socket === null) void this.connect();
    }, waitMs);
  }

  private send(frame: ClientFrame): void {
    this.socket?.send(JSON.stringify(frame));
  }

  private ask(store: LiveStore): void {
    const { id, topic, filter, cursor } = store;
    const since = topic === 'stats' || cursor === null ? {} : { since: cursor };
    this.send({
      type: 'subscribe',
      id,
      topic,
      ...(filter === undefined ? {} : { filter }),
      ...since,
    });
    store.asked('since' in since);
  }

  private leave(store: LiveStore): void {
    this.stores.delete(store.id);
    if (this.isReady) this.send({ type: 'unsubscribe', id: store.id });
    this.settle();
  }

  private receive(text: string): void {
    this.heardAt = this.now();
    const frame = JSON.parse(text) as ServerFrame;
    switch (frame.type) {
      case 'ready':
        this.ready(frame);
        break;
      case 'snapshot':
      case 'event':
      case 'live':
      case 'resync':
        this.stores.get(frame.id)?.apply(frame);
        break;
      case 'heartbeat':
        this.heartbeat(frame);
        break;
      case 'drain':
        this.drop();
        this.attempts = 0;
        this.later(frame.retryInMs);
        break;
      case 'error':
        if (frame.id !== undefined) this.stores.get(frame.id)?.refused(frame.code, frame.detail);
        break;
      case 'pong':
        break;
    }
    this.settle();
  }

  private ready(frame: Extract<ServerFrame, { type: 'ready' }>): void {
    this.heartbeatMs = frame.heartbeatMs;
    const lifeMs = frame.expiresAt === null ? null : Date.parse(frame.expiresAt) - this.now();
    this.refreshAt = lifeMs === null ? null : this.now() + lifeMs * 0.8;
    if (this.isReady) return;
    this.isReady = true;
    for (const store of this.stores.values()) this.ask(store);
  }

  /** The server says what it has sent to each subscription: whoever has less begins again. */
  private heartbeat(frame: Extract<ServerFrame, { type: 'heartbeat' }>): void {
    for (const [id, top] of Object.entries(frame.tops)) {
      const store = this.stores.get(id);
      if (store === undefined || store.proves(top, frame.sent[id] ?? 0)) continue;
      this.send({ type: 'unsubscribe', id });
      store.begin();
      this.ask(store);
    }
  }

  private check(): void {
    const now = this.now();
    const isSilent = now - this.heardAt > this.heartbeatMs * 2 + checkEveryMs;
    if (this.socket !== null && isSilent) this.reconnect();
    if (this.refreshAt !== null && now >= this.refreshAt) {
      this.refreshAt = null;
      this.options.token().then(
        (token) => {
          if (this.isReady) this.send({ type: 'refresh', token });
        },
        // The connection ends with its token, and the next one asks again.
        () => undefined,
      );
    }
    this.settle();
  }

  /** Works out the link's state and tells it when it changed. */
  private settle(): void {
    const status = this.statusNow();
    if (status === 'live') {
      this.wasLive = true;
      this.attempts = 0;
    }
    if (status === this.current.status) return;
    const since = status === 'stale' ? this.heardAt : this.now();
    this.current = { status, since };
    for (const listener of [...this.stateListeners]) listener(this.current);
  }

  private statusNow(): LinkState['status'] {
    const stores = [...this.stores.values()].filter(({ error }) => error === null);
    if (this.isReady) return stores.every(({ isLive }) => isLive) ? 'live' : 'catching up';
    if (this.now() - this.heardAt > offlineAfterMs) return 'offline';
    return this.wasLive ? 'stale' : 'connecting';
  }
}
