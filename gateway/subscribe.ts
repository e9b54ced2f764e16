// Gateway: one subscription from its snapshot to live. In: what the client asked for, the ring, and
// read models. Out: snapshot, the events since, `live`, then membership of a publish group. No gap
// and no duplicate: the cursor moves one entry of the ring at a time, and joining the group happens in the
// same tick in which the cursor reaches the ring's top.

import type { Socket } from '../runtime/http.js';
import type { Cursor, ResyncReason } from '../schemas/live-frames.js';
import type { TenantId } from '../schemas/ids.js';
import { conflate, type Conflated } from './conflate.js';
import { shapeOf, softLimitBytes, type FanOut, type Group, type Interest } from './fan-out.js';
import { conflatedJson, encodeFrame, eventFrame, leftJson } from './frames.js';
import type { GatewayMetrics } from './metrics.js';
import { renderingOf, type Renderer } from './render.js';
import type { Rendering } from './rendered.js';
import type { RingEntry, Rings } from './ring.js';
import type { Snapshot } from './snapshots.js';
import { concernOf } from './topics.js';

/** What every subscription of the process shares. */
export interface Stream {
  readonly rings: Rings;
  readonly fanOut: FanOut;
  readonly renderer: Renderer;
  readonly metrics: GatewayMetrics;
  readonly readSnapshot: (interest: Interest) => Promise<Snapshot>;
  /** Epoch of the tenant's partition; null while the log has none yet. */
  readonly epochOf: (tenant: TenantId) => string | null;
  /** False once the tenant's partition is not followed any more: nothing there may be called live. */
  readonly isFollowed: (tenant: TenantId) => boolean;
  /** Subscriptions that wait for the ring to move, by tenant. */
  readonly waiting: Waiting;
  readonly clock: () => number;
}

/** Those that are not live yet: the only ones that have to be told of every step of the ring. */
export class Waiting {
  private readonly byTenant = new Map<TenantId, Set<Subscription>>();

  add(subscription: Subscription): void {
    const { tenant } = subscription.interest;
    const known = this.byTenant.get(tenant) ?? new Set();
    this.byTenant.set(tenant, known.add(subscription));
  }

  delete(subscription: Subscription): void {
    const { tenant } = subscription.interest;
    const known = this.byTenant.get(tenant);
    known?.delete(subscription);
    if (known?.size === 0) this.byTenant.delete(tenant);
  }

  /** The ring of the tenant has moved. */
  pump(tenant: TenantId): void {
    for (const subscription of [...(this.byTenant.get(tenant) ?? [])]) subscription.pump();
  }
}

type State = 'loading' | 'paging' | 'catching' | 'live' | 'stuck' | 'closed';

/** Entries sent before other work gets its turn. */
const entriesPerTurn = 256;
/** How long a cursor ahead of this node may wait for the node to get there, in ms. */
const aheadPatienceMs = 5_000;
const retryMs = { first: 100, longest: 5_000 };

/** One subscription of one socket. Closed with its socket or by `unsubscribe`. */
export class Subscription {
  readonly idJson: string;
  private readonly rendering: Rendering;
  private state: State = 'loading';
  private group: Group | null = null;
  private joinedAt = 0;
  private cursor = 0;
  private lastSent = 0;
  private conflating = false;
  private preparing = false;
  private pages: readonly string[] = [];
  private aheadSince: number | null = null;
  /** Counts restarts, so that what an earlier one still waits for comes to nothing. */
  private run = 0;
  private retry = retryMs.first;

  constructor(
    private readonly stream: Stream,
    readonly socket: Socket,
    readonly interest: Interest,
  ) {
    this.idJson = JSON.stringify(interest.id);
    this.rendering = renderingOf(shapeOf(interest.topic), interest.view);
  }

  /** Goes on after `since`, or begins with a snapshot. */
  start(since: Cursor | undefined): void {
    const { tenant } = this.interest;
    if (since === undefined) return this.snapshot();
    if (since.epoch !== this.stream.epochOf(tenant)) return this.resync('epoch');
    if (since.seq < this.stream.rings.first(tenant) - 1) return this.resync('too_old');
    this.cursor = since.seq;
    this.enter('catching');
    this.aheadSince = since.seq > this.top() ? this.stream.clock() : null;
    this.pump();
  }

  /** Says why the cursor is worth nothing any more, and begins again with a snapshot. */
  resync(reason: ResyncReason): void {
    if (this.state === 'closed') return;
    this.stream.metrics.resyncs.inc({ reason });
    this.leaveGroup();
    this.send(encodeFrame({ type: 'resync', id: this.interest.id, reason }));
    this.snapshot();
  }

  /** For heartbeats: null before the first snapshot is through. */
  progress(): { readonly top: number; readonly sent: number } | null {
    if (this.state === 'loading' || this.state === 'paging' || this.state === 'stuck') return null;
    if (this.group === null) return { top: this.cursor, sent: this.lastSent };
    const { lastSent } = this.group;
    return { top: this.top(), sent: lastSent > this.joinedAt ? lastSent : this.lastSent };
  }

  get isLive(): boolean {
    return this.state === 'live';
  }

  /** New events stand in the ring, or the reader has drained: goes on where it was. */
  pump(): void {
    if (this.state === 'stuck' && !this.isBlocked()) return this.resync('slow');
    if (this.state === 'paging') this.sendPages();
    if (!this.is('catching') || this.preparing || this.isBlocked()) return;
    const { run } = this;
    let more: 'done' | 'later' | 'wait' = 'wait';
    this.socket.cork(() => {
      more = this.conflating ? this.sendConflated() : this.sendEntries();
    });
    this.goOn(run, more);
  }

  private goOn(run: number, more: 'done' | 'later' | 'wait'): void {
    if (run !== this.run || !this.is('catching')) return;
    if (more === 'later') {
      setImmediate(() => {
        if (run === this.run) this.pump();
      });
    }
    if (more === 'done') this.join();
  }

  /** Called every second or so: a cursor that this node never reaches is not one of this log. */
  checkPatience(): void {
    if (this.aheadSince === null) return;
    if (this.state !== 'catching' || this.cursor <= this.top()) this.aheadSince = null;
    else if (this.stream.clock() - this.aheadSince > aheadPatienceMs) {
      this.aheadSince = null;
      this.resync('gap');
    }
  }

  /** Group: too much is waiting. What comes now is conflated once the reader has drained. */
  fellBehind(cursor: number): void {
    this.stream.metrics.slow.inc();
    this.outOfGroup(cursor);
    this.conflating = true;
  }

  /** Group: the open view was not ready in time; the ring has it all. */
  demoted(cursor: number): void {
    this.outOfGroup(cursor);
    setImmediate(() => {
      this.pump();
    });
  }

  /** The transport dropped a frame: what this reader has is unknown until it gets a snapshot. */
  dropped(): void {
    if (this.state === 'closed') return;
    this.leaveGroup();
    this.run += 1;
    this.pages = [];
    this.enter('stuck');
  }

  /** Unsubscribes; the socket goes on. */
  close(): void {
    this.leaveGroup();
    this.end();
  }

  /** The socket is gone: nothing may be called on it any more. */
  end(): void {
    if (this.group !== null) this.stream.fanOut.forget(this.group, this);
    this.group = null;
    this.run += 1;
    this.pages = [];
    this.enter('closed');
  }

  private enter(state: State): void {
    this.state = state;
    if (state === 'catching') this.stream.waiting.add(this);
    else this.stream.waiting.delete(this);
  }

  private is(state: State): boolean {
    return this.state === state;
  }

  private top(): number {
    return this.stream.rings.top(this.interest.tenant);
  }

  private isBlocked(): boolean {
    return this.socket.bufferedBytes > softLimitBytes;
  }

  private send(text: string): void {
    this.stream.metrics.frames.inc();
    if (this.socket.send(text) === 'dropped') this.dropped();
  }

  /** For a new beginning: where this reader stood no longer matters. */
  private leaveGroup(): void {
    if (this.group === null) return;
    const { group } = this;
    this.group = null;
    this.stream.fanOut.leave(group, this);
  }

  /** The group has sent everything up to `cursor`; from there on this reader is on its own. */
  private outOfGroup(cursor: number): void {
    this.lastSent = this.progress()?.sent ?? this.lastSent;
    this.cursor = Math.max(this.joinedAt, cursor);
    this.group = null;
    this.enter('catching');
  }

  private snapshot(): void {
    this.run += 1;
    const { run } = this;
    this.enter('loading');
    this.conflating = false;
    this.preparing = false;
    this.lastSent = 0;
    this.stream.readSnapshot(this.interest).then(
      (snapshot) => {
        if (run === this.run) this.begin(snapshot);
      },
      () => {
        if (run === this.run) this.snapshotLater();
      },
    );
  }

  /** The read model is away, or too far behind what the ring still keeps. */
  private snapshotLater(): void {
    const { run } = this;
    const again = () => {
      if (run === this.run) this.snapshot();
    };
    setTimeout(again, this.retry).unref();
    this.retry = Math.min(this.retry * 2, retryMs.longest);
  }

  private begin(snapshot: Snapshot): void {
    const { tenant } = this.interest;
    const epoch = this.stream.epochOf(tenant);
    const bridged = snapshot.seq >= this.stream.rings.first(tenant) - 1;
    if (epoch === null || (snapshot.epoch ?? epoch) !== epoch || !bridged) {
      return this.snapshotLater();
    }
    this.retry = retryMs.first;
    this.cursor = snapshot.seq;
    const asOf = JSON.stringify({ epoch, seq: snapshot.seq });
    const last = snapshot.pages.length - 1;
    this.pages = snapshot.pages.map(
      (items, index) =>
        `{"type":"snapshot","id":${this.idJson},"asOf":${asOf},"items":${items},"more":${index < last}}`,
    );
    this.enter('paging');
    this.pump();
  }

  private sendPages(): void {
    while (this.pages.length > 0 && this.is('paging')) {
      if (this.isBlocked()) return;
      const [page, ...rest] = this.pages;
      this.pages = rest;
      this.send(page ?? '');
    }
    if (this.is('paging')) this.enter('catching');
  }

  /** Sends the next entries one by one. `wait`: for the reader, the ring or a key. */
  private sendEntries(): 'done' | 'later' | 'wait' {
    const { tenant, topic, filter } = this.interest;
    const entries = this.stream.rings.after(tenant, this.cursor, entriesPerTurn);
    if (entries === null) return this.behind();
    for (const entry of entries) {
      if (this.isBlocked()) return 'wait';
      const concern = concernOf(topic, filter, entry);
      if (concern !== null) {
        const json = this.jsonOf(entry, concern);
        if (json === null) return this.prepare(entries);
        this.sendEvent(entry, json);
        if (!this.is('catching')) return 'wait';
      }
      this.cursor = entry.seq;
    }
    return this.whereNow();
  }

  /** Sends the last state of each thing the slow reader has not got. */
  private sendConflated(): 'done' | 'later' | 'wait' {
    const { tenant, topic, filter } = this.interest;
    const entries = this.stream.rings.after(tenant, this.cursor, Number.MAX_SAFE_INTEGER);
    if (entries === null) return this.behind();
    const states = conflate(topic, filter, entries);
    for (const state of states) {
      if (this.isBlocked()) return 'wait';
      const json = this.jsonOf(state.entry, state.concern);
      if (json === null) return this.prepare(states.map(({ entry }) => entry).slice(0, 256));
      this.sendEvent(state.entry, conflatedJson(json, state.folded));
      if (!this.is('catching')) return 'wait';
      this.cursor = state.entry.seq;
    }
    this.cursor = entries.at(-1)?.seq ?? this.cursor;
    return this.whereNow();
  }

  private whereNow(): 'done' | 'later' | 'wait' {
    const top = this.top();
    if (this.cursor < top) return 'later';
    return this.cursor === top && this.stream.isFollowed(this.interest.tenant) ? 'done' : 'wait';
  }

  private behind(): 'wait' {
    this.resync(this.conflating ? 'slow' : 'too_old');
    return 'wait';
  }

  private jsonOf(entry: RingEntry, concern: Conflated['concern']): string | null {
    return concern === 'left'
      ? leftJson(entry.callId ?? '', entry.mergedFrom)
      : this.stream.renderer.now(entry, this.rendering);
  }

  private sendEvent(entry: RingEntry, json: string): void {
    this.send(eventFrame(this.idJson, entry.seq, json));
    if (this.state === 'catching') this.lastSent = entry.seq;
  }

  /** Opens numbers for the next entries, then goes on. */
  private prepare(entries: readonly RingEntry[]): 'wait' {
    const { tenant, topic } = this.interest;
    const { run } = this;
    this.preparing = true;
    const goOn = (delayMs: number): void => {
      if (run !== this.run) return;
      this.preparing = delayMs > 0;
      if (delayMs === 0) this.pump();
      else setTimeout(() => goOn(0), delayMs).unref();
    };
    this.stream.renderer.prepare(tenant, entries, shapeOf(topic)).then(
      () => goOn(0),
      () => goOn(1_000),
    );
    return 'wait';
  }

  private join(): void {
    this.conflating = false;
    this.aheadSince = null;
    this.enter('live');
    this.joinedAt = this.cursor;
    this.group = this.stream.fanOut.join(this.interest, this);
    this.send(encodeFrame({ type: 'live', id: this.interest.id, seq: this.cursor }));
  }
}
