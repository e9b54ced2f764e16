// Gateway: live statistics. In: the read model of minutes. Out: rows that changed, at most twice a
// second, to whoever watches. The counting is the projection's alone: a row is absolute, so there is
// nothing a client could miss between two rows of the same minute.

import { asTenant } from '../runtime/postgres.js';
import type { Cursor, StatsItem } from '../schemas/live-frames.js';
import type { TenantId } from '../schemas/ids.js';
import type { Interest } from './fan-out.js';
import { encodeFrame, eventFrame } from './frames.js';
import { readPosition, readStats } from './read-models.js';
import type { Socket } from '../runtime/http.js';
import type { ReadModels } from './snapshots.js';
import type { Stream } from './subscribe.js';

/** Newest minutes shown. */
const minutes = 60;
/** Longest rate of updates. */
export const statsEveryMs = 500;

interface Watched {
  readonly watchers: Set<StatsSubscription>;
  rows: ReadonlyMap<string, StatsItem>;
  epoch: string | null;
  seq: number;
  /** Null before the first reading. */
  readAt: number | null;
  reading: boolean;
}

/** The statistics of all watched tenants of this process. */
export class StatsFeed {
  private readonly watched = new Map<TenantId, Watched>();

  constructor(
    private readonly models: ReadModels,
    private readonly stream: Pick<Stream, 'rings' | 'epochOf' | 'metrics' | 'isFollowed'>,
    private readonly publish: (topic: string, text: string) => void,
    private readonly clock: () => number,
  ) {}

  add(subscription: StatsSubscription): void {
    const { tenant } = subscription.interest;
    const known = this.watched.get(tenant);
    const watched = known ?? {
      watchers: new Set<StatsSubscription>(),
      rows: new Map<string, StatsItem>(),
      epoch: null,
      seq: 0,
      readAt: null,
      reading: false,
    };
    this.watched.set(tenant, watched);
    watched.watchers.add(subscription);
    if (watched.readAt !== null) this.begin(watched, subscription);
    else if (!watched.reading) void this.read(tenant, watched);
  }

  remove(subscription: StatsSubscription): void {
    const { tenant } = subscription.interest;
    const watched = this.watched.get(tenant);
    watched?.watchers.delete(subscription);
    if (watched?.watchers.size === 0) this.watched.delete(tenant);
  }

  /** Reads what may have changed; called every `statsEveryMs`. */
  tick(): void {
    for (const [tenant, watched] of this.watched) {
      const isNew = this.stream.rings.top(tenant) > watched.seq || watched.readAt === null;
      if (isNew && !watched.reading) void this.read(tenant, watched);
    }
  }

  seqOf(tenant: TenantId): number | null {
    const watched = this.watched.get(tenant);
    return watched === undefined || watched.readAt === null ? null : watched.seq;
  }

  private async read(tenant: TenantId, watched: Watched): Promise<void> {
    watched.reading = true;
    try {
      const { versions, partitionOf, database } = this.models;
      const about = { tenant, partition: partitionOf(tenant), versions };
      const read = await asTenant(database, tenant, async (transaction) => ({
        position: await readPosition(transaction, about, ['stats_minute']),
        rows: await readStats(transaction, tenant, {
          after: 0,
          before: Number.MAX_SAFE_INTEGER,
          limit: minutes,
        }),
      }));
      const epoch = read.position.epoch ?? this.stream.epochOf(tenant);
      if (epoch !== null) this.apply(watched, epoch, read.position.seq, read.rows);
    } catch {
      // Postgres is away: the next tick tries again, and `seq` says how old the rows are.
    } finally {
      watched.reading = false;
    }
  }

  private apply(watched: Watched, epoch: string, seq: number, rows: readonly StatsItem[]): void {
    const before = watched.rows;
    const isFirst = watched.readAt === null;
    watched.rows = new Map(rows.map((row) => [row.minute, row]));
    watched.seq = seq;
    watched.epoch = epoch;
    watched.readAt = this.clock();
    if (isFirst) {
      for (const watcher of watched.watchers) this.begin(watched, watcher);
      return;
    }
    const at = new Date(watched.readAt).toISOString();
    const changed = rows.filter(
      (row) => JSON.stringify(row) !== JSON.stringify(before.get(row.minute)),
    );
    const groups = new Map([...watched.watchers].map((watcher) => [watcher.groupName, watcher]));
    for (const stats of changed) {
      const json = JSON.stringify({ type: 'stats.updated', at, stats });
      for (const [name, { idJson }] of groups) this.publish(name, eventFrame(idJson, seq, json));
    }
  }

  private begin(watched: Watched, subscription: StatsSubscription): void {
    const asOf = { epoch: watched.epoch ?? '', seq: watched.seq };
    subscription.begin(asOf, [...watched.rows.values()]);
  }
}

/** A subscription to `stats`: a snapshot, then rows as they change; always begun anew, never resumed. */
export class StatsSubscription {
  readonly idJson: string;
  readonly groupName: string;
  private isClosed = false;
  private isStuck = false;

  constructor(
    private readonly feed: StatsFeed,
    readonly socket: Socket,
    readonly interest: Interest,
  ) {
    this.idJson = JSON.stringify(interest.id);
    this.groupName = `${interest.tenant}\nstats\n${interest.id}`;
  }

  start(): void {
    this.feed.add(this);
  }

  begin(asOf: Cursor, items: readonly StatsItem[]): void {
    const { id } = this.interest;
    this.socket.subscribe(this.groupName);
    this.socket.send(encodeFrame({ type: 'snapshot', id, asOf, items, more: false }));
    this.socket.send(encodeFrame({ type: 'live', id, seq: asOf.seq }));
  }

  progress(): { readonly top: number; readonly sent: number } | null {
    const seq = this.feed.seqOf(this.interest.tenant);
    return seq === null ? null : { top: seq, sent: 0 };
  }

  /** Rows are absolute: a slow reader needs only the newest, which a fresh snapshot has. */
  resync(reason: 'gap' | 'slow' | 'epoch' | 'too_old'): void {
    if (this.isClosed) return;
    this.feed.remove(this);
    this.socket.send(encodeFrame({ type: 'resync', id: this.interest.id, reason }));
    this.feed.add(this);
  }

  pump(): void {
    if (!this.isStuck) return;
    this.isStuck = false;
    this.resync('slow');
  }

  dropped(): void {
    this.isStuck = true;
  }

  checkPatience(): void {
    // There is no cursor of the client's that this could wait for.
  }

  close(): void {
    this.socket.unsubscribe(this.groupName);
    this.end();
  }

  end(): void {
    this.isClosed = true;
    this.feed.remove(this);
  }
}
