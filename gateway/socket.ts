// Gateway: one WebSocket. In: frames of a client. Out: frames of the protocol (design section 8). Holds who
// is on the other end and what they subscribed to; the subscriptions do the rest.

import { toError, type ErrorCode } from '../runtime/errors.js';
import type { Socket } from '../runtime/http.js';
import type { Logger } from '../runtime/logger.js';
import type { ClientFrame } from '../schemas/live-frames.js';
import type { TenantId } from '../schemas/ids.js';
import type { Authenticator, AuthenticateResult, Principal } from './authenticate.js';
import { isAllowed, viewOf } from './authorize.js';
import { softLimitBytes, type Interest } from './fan-out.js';
import { encodeFrame, parseClientFrame } from './frames.js';
import type { CloseReason, GatewayMetrics } from './metrics.js';
import { StatsSubscription, type StatsFeed } from './stats-feed.js';
import { Subscription, type Stream } from './subscribe.js';
import { parseFilter, parseTopic, permissionOf } from './topics.js';

/** What all sockets of the process share. */
export interface SocketDeps {
  readonly authenticator: Authenticator;
  readonly stream: Stream;
  readonly stats: StatsFeed;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly clock: () => number;
  /** For how long: it goes on whatever is done to `clock`. */
  readonly steady: () => number;
  /** The epoch of the tenant's partition, as soon as it is known; `none` if that takes too long. */
  readonly epoch: (tenant: TenantId) => Promise<string>;
}

/** Bounds of one connection. */
export interface SocketLimits {
  readonly heartbeatMs: number;
  /** Time for the first frame to authenticate. */
  readonly authMs: number;
  readonly subscriptions: number;
  /** Waiting bytes, and time above the soft limit, after which a reader is closed. */
  readonly hardBytes: number;
  readonly hardMs: number;
  /** Frames a client may send at once, and each second after that. */
  readonly frameBurst: number;
  readonly framesPerSecond: number;
}

export const socketLimits: SocketLimits = {
  heartbeatMs: 5_000,
  authMs: 5_000,
  subscriptions: 64,
  hardBytes: 1024 * 1024,
  hardMs: 10_000,
  frameBurst: 200,
  framesPerSecond: 50,
};

/** Close codes of the protocol; 1009, 1012 and 1013 are the standard's. */
export const closeCodes = {
  slow: 4008,
  unauthenticated: 4401,
  expired: 4401,
  too_large: 1009,
  shutdown: 1012,
  unavailable: 1013,
} as const satisfies Record<CloseReason, number>;

type AnySubscription = Subscription | StatsSubscription;

/** One open connection; `close` ends it from our side, `gone` says that it ended. */
export class Connection {
  private principal: Principal | null = null;
  private readonly subscriptions = new Map<string, AnySubscription>();
  private isOpen = true;
  private blockedSince: number | null = null;
  private nextHeartbeatAt: number;
  private readonly authBy: number;
  private credits: number;
  private creditsAt: number;
  /** Frames are handled in order; authentication takes time. */
  private pending: Promise<void> = Promise.resolve();
  private waiting = 0;

  constructor(
    private readonly deps: SocketDeps,
    private readonly limits: SocketLimits,
    private readonly socket: Socket,
  ) {
    const now = deps.steady();
    this.authBy = now + limits.authMs;
    this.nextHeartbeatAt = now + limits.heartbeatMs;
    this.credits = limits.frameBurst;
    this.creditsAt = now;
  }

  get tenant(): TenantId | null {
    return this.principal?.tenant ?? null;
  }

  /** The upgrade carried a ticket that was taken: who it is for. */
  admit(principal: Principal): void {
    this.queue(() => this.accept(principal));
  }

  /** The upgrade carried `Authorization: Bearer`. */
  present(credential: string): void {
    this.queue(() => this.authenticate(credential));
  }

  /** A frame came in. Frames are answered in their order. */
  receive(text: string): void {
    if (!this.isOpen) return;
    if (!this.takeCredit() || this.waiting >= this.limits.frameBurst) {
      return this.fail('rate_limited', 'too many frames; this one was not looked at');
    }
    const parsed = parseClientFrame(text);
    if (!parsed.ok) {
      this.fail(parsed.code, parsed.detail, parsed.id);
      if (parsed.code === 'frame_too_large') this.close('too_large', 'frame too large');
      return;
    }
    this.queue(() => this.handle(parsed.frame));
  }

  /** The reader took something: what waited for it goes on. */
  drained(): void {
    if (!this.isOpen || this.isBlocked()) return;
    this.blockedSince = null;
    for (const subscription of this.subscriptions.values()) subscription.pump();
  }

  /** The transport dropped a frame to this socket. */
  dropped(): void {
    for (const subscription of this.subscriptions.values()) subscription.dropped();
    this.blockedSince ??= this.deps.steady();
  }

  /** New events of this tenant stand in the ring. */
  pump(): void {
    for (const subscription of this.subscriptions.values()) subscription.pump();
  }

  /** The tenant's events were lost or begin anew: every cursor is worth nothing. */
  resync(reason: 'gap' | 'epoch'): void {
    for (const subscription of this.subscriptions.values()) subscription.resync(reason);
  }

  /** Called several times a second: heartbeat, expiry, slow readers. */
  tick(): void {
    if (!this.isOpen) return;
    const now = this.deps.steady();
    if (this.principal === null) {
      if (now >= this.authBy) this.close('unauthenticated', 'no authentication in time');
      return;
    }
    if (!this.deps.authenticator.stillValid(this.principal)) {
      this.fail('token_expired', 'refresh the token before it expires');
      return this.close('expired', 'token expired');
    }
    if (this.closeIfTooSlow(now)) return;
    if (now >= this.nextHeartbeatAt) this.heartbeat(now);
    for (const subscription of this.subscriptions.values()) subscription.checkPatience();
    this.drained();
  }

  /** Says that the server goes away; the client comes back after `retryInMs`. */
  drain(retryInMs: number): void {
    if (this.isOpen) this.send({ type: 'drain', retryInMs });
  }

  close(reason: CloseReason, text: string): void {
    if (!this.isOpen) return;
    this.deps.metrics.closed.inc({ reason });
    this.gone();
    this.socket.end(closeCodes[reason], text);
  }

  /** The socket is closed. */
  gone(): void {
    this.isOpen = false;
    this.deps.metrics.subscriptions.dec(this.subscriptions.size);
    for (const subscription of this.subscriptions.values()) subscription.end();
    this.subscriptions.clear();
  }

  private queue(work: () => void | Promise<void>): void {
    this.waiting += 1;
    this.pending = this.pending.then(async () => {
      this.waiting -= 1;
      if (!this.isOpen) return;
      try {
        await work();
      } catch (thrown) {
        this.deps.logger.error(
          { code: 'frame_failed', error: toError(thrown).message },
          'a frame could not be handled',
        );
        this.fail('internal', 'the frame could not be handled');
      }
    });
  }

  private async handle(frame: ClientFrame): Promise<void> {
    switch (frame.type) {
      case 'ping':
        return this.send({ type: 'pong' });
      case 'auth':
      case 'refresh':
        return this.authenticate(frame.token);
      case 'subscribe':
        return this.subscribe(frame);
      case 'unsubscribe':
        return this.unsubscribe(frame.id);
    }
  }

  private async authenticate(credential: string): Promise<void> {
    const result: AuthenticateResult = await this.deps.authenticator.authenticate(credential);
    if (!this.isOpen) return;
    const now = this.principal;
    if (result.ok && (now === null || now.tenant === result.principal.tenant)) {
      return this.accept(result.principal);
    }
    if (!result.ok && result.reason === 'unavailable') {
      this.fail('service_unreachable', 'credentials cannot be judged now');
      return this.close('unavailable', 'try again later');
    }
    this.fail('unauthenticated', 'the credential was refused');
    this.close('unauthenticated', 'credential refused');
  }

  private async accept(principal: Principal): Promise<void> {
    const epoch = await this.deps.epoch(principal.tenant);
    if (!this.isOpen) return;
    const before = this.principal;
    this.principal = principal;
    const { expiresAt } = principal;
    this.send({
      type: 'ready',
      epoch,
      tenant: principal.tenant,
      expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
      heartbeatMs: this.limits.heartbeatMs,
    });
    if (before !== null && before.role !== principal.role) this.reauthorize(principal);
  }

  /** A refreshed token has another role: what it may not see any more ends, the rest begins again. */
  private reauthorize(principal: Principal): void {
    for (const [id, subscription] of [...this.subscriptions]) {
      const { interest } = subscription;
      if (!this.mayRead(principal, interest.topic)) {
        this.unsubscribe(id);
        this.deny(principal, id);
      } else if (interest.view !== viewOf(principal.role)) {
        subscription.close();
        this.send({ type: 'resync', id, reason: 'gap' });
        this.begin({ ...interest, view: viewOf(principal.role) }, undefined);
      }
    }
  }

  private subscribe(frame: Extract<ClientFrame, { type: 'subscribe' }>): void {
    const { principal } = this;
    const { id } = frame;
    if (principal === null) return this.fail('unauthenticated', 'authenticate first', id);
    if (this.subscriptions.has(id))
      return this.fail('subscription_exists', 'unsubscribe first', id);
    if (this.subscriptions.size >= this.limits.subscriptions) {
      const detail = `at most ${this.limits.subscriptions} subscriptions for each connection`;
      return this.fail('subscription_limit', detail, id);
    }
    const topic = parseTopic(frame.topic);
    if (topic === null) {
      return this.fail('topic_unknown', 'topics: calls, call:{id}, messages, records, stats', id);
    }
    const filter = parseFilter(topic, frame.filter);
    if (filter === null) {
      return this.fail('filter_invalid', 'calls takes status and direction, others nothing', id);
    }
    if (!this.mayRead(principal, topic)) return this.deny(principal, id);
    const view = viewOf(principal.role);
    this.deps.metrics.subscriptions.inc();
    this.begin({ tenant: principal.tenant, id, topic, filter, view }, frame.since);
  }

  private begin(interest: Interest, since: { epoch: string; seq: number } | undefined): void {
    const subscription =
      interest.topic.kind === 'stats'
        ? new StatsSubscription(this.deps.stats, this.socket, interest)
        : new Subscription(this.deps.stream, this.socket, interest);
    this.subscriptions.set(interest.id, subscription);
    subscription.start(since);
  }

  private unsubscribe(id: string): void {
    const subscription = this.subscriptions.get(id);
    if (this.principal === null) return this.fail('unauthenticated', 'authenticate first', id);
    if (subscription === undefined) return this.fail('subscription_unknown', 'no such id', id);
    this.subscriptions.delete(id);
    this.deps.metrics.subscriptions.dec();
    subscription.close();
  }

  private mayRead(principal: Principal, topic: Interest['topic']): boolean {
    return (
      isAllowed(principal.role, 'stream.subscribe') &&
      isAllowed(principal.role, permissionOf(topic))
    );
  }

  private deny(principal: Principal, id: string): void {
    this.deps.metrics.denied.inc();
    const { tenant, role, subject } = principal;
    this.deps.logger.warn({ code: 'denied', tenant, role, subject }, 'a subscription was denied');
    this.fail('forbidden', 'the role may not see this topic', id);
  }

  private heartbeat(now: number): void {
    this.nextHeartbeatAt = now + this.limits.heartbeatMs;
    const tops: Record<string, number> = {};
    const sent: Record<string, number> = {};
    for (const [id, subscription] of this.subscriptions) {
      const progress = subscription.progress();
      if (progress === null) continue;
      tops[id] = progress.top;
      sent[id] = progress.sent;
    }
    this.send({ type: 'heartbeat', tops, sent, at: new Date(this.deps.clock()).toISOString() });
  }

  /** Its cursor goes with the close: the lowest of its subscriptions, from which nothing is missed. */
  private closeIfTooSlow(now: number): boolean {
    const buffered = this.socket.bufferedBytes;
    if (buffered <= softLimitBytes) this.blockedSince = null;
    else this.blockedSince ??= now;
    const { blockedSince } = this;
    const isTooLong = blockedSince !== null && now - blockedSince > this.limits.hardMs;
    if (buffered <= this.limits.hardBytes && !isTooLong) return false;
    const tops = [...this.subscriptions.values()].map((one) => one.progress()?.top ?? 0);
    const epoch = this.principal === null ? null : this.deps.stream.epochOf(this.principal.tenant);
    const seq = tops.length === 0 ? 0 : Math.min(...tops);
    this.close('slow', JSON.stringify({ epoch, seq }).slice(0, 120));
    return true;
  }

  private isBlocked(): boolean {
    return this.socket.bufferedBytes > softLimitBytes;
  }

  private takeCredit(): boolean {
    const now = this.deps.steady();
    const earned = ((now - this.creditsAt) / 1000) * this.limits.framesPerSecond;
    this.credits = Math.min(this.limits.frameBurst, this.credits + Math.max(0, earned));
    this.creditsAt = now;
    if (this.credits < 1) return false;
    this.credits -= 1;
    return true;
  }

  private fail(code: ErrorCode, detail: string, id: string | null = null): void {
    this.send({ type: 'error', code, detail, ...(id === null ? {} : { id }) });
  }

  private send(frame: Parameters<typeof encodeFrame>[0]): void {
    if (!this.isOpen) return;
    this.deps.metrics.frames.inc();
    if (this.socket.send(encodeFrame(frame)) === 'dropped') this.dropped();
  }
}
