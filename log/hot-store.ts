// The hot tier of aggregate_state: its store (design 3.3). Comes in: reads and changes of one place. Goes
// out: Redis's answers, or a rejection. Deadlines and what to do without it are hot-tier.ts's.

import { randomBytes } from 'node:crypto';

import { TrunklineError } from '../runtime/errors.js';
import type { RedisConnection } from '../runtime/redis.js';
import type { Offset } from '../schemas/ids.js';
import { offset } from '../schemas/ids.js';
import { applyScript, fillScript, readScript } from './hot-script.js';

/**
 * Whose rows belong together. The lineage names the evolver's version, the log's epoch and how often the
 * table was rebuilt: states of another one are not older or newer, they are of another history.
 */
export interface HotPlace {
  readonly partition: number;
  readonly lineage: string;
}

export const lineageOf = (version: number, epoch: string, rebuilds: number): string =>
  `${version}.${epoch}.${rebuilds}`;

/** A row as it is kept. */
export interface HotRow {
  /** `nameOf` its aggregate. */
  readonly name: string;
  /** The text of the row of aggregate_state. */
  readonly state: string;
  /** For an alias the name of the call it leads to, else ''. */
  readonly leadsTo: string;
  readonly ttlMs: number;
}

/** States and the mark they belong to. What was asked for and is not among them is unknown. */
export interface HotRows {
  /** Exclusive, as every mark. */
  readonly mark: Offset;
  /** By name; with the calls that the aliases asked for lead to. */
  readonly states: ReadonlyMap<string, string>;
}

/**
 * `written`; `past`: the tier is beyond that mark and nothing was written; `begun`: under a new
 * generation, so that everything else is a miss now.
 */
export const hotOutcomes = ['written', 'past', 'begun'] as const;
export type HotOutcome = (typeof hotOutcomes)[number];

/** The steps of the hot tier, each atomic. A rejection says nothing of whether it was done. */
export interface HotStore {
  /** Null: no generation is there. */
  read(place: HotPlace, names: readonly string[]): Promise<HotRows | null>;
  /** What a commit of aggregate_state has moved from one mark to the next. */
  apply(place: HotPlace, move: HotMove): Promise<HotOutcome>;
  /** Rows of a snapshot of PostgreSQL at the mark `at`. */
  fill(place: HotPlace, at: Offset, rows: readonly HotRow[]): Promise<HotOutcome>;
  /** Called each time the store can be reached. */
  onReady(listener: () => void): void;
  /** Drops a connection that has been silent. */
  reconnect(): void;
  close(): void;
}

export interface HotMove {
  readonly from: Offset;
  readonly to: Offset;
  readonly rows: readonly HotRow[];
}

/** How long a place is kept that nothing is written to; every row goes with its own time. */
export const headTtlMs = 24 * 3_600_000;

/** The store in Redis; `prefix` is that of the installation. */
export class RedisHotStore implements HotStore {
  constructor(
    private readonly redis: RedisConnection,
    private readonly prefix: string,
  ) {}

  async read(place: HotPlace, names: readonly string[]): Promise<HotRows | null> {
    const reply = await this.redis.run(readScript, [this.#head(place)], names);
    return reply === null ? null : rowsOf(reply, names);
  }

  async apply(place: HotPlace, { from, to, rows }: HotMove): Promise<HotOutcome> {
    const args = [from, to, newGeneration(), headTtlMs, ...flat(rows)];
    return outcomeOf(await this.redis.run(applyScript, [this.#head(place)], args));
  }

  async fill(place: HotPlace, at: Offset, rows: readonly HotRow[]): Promise<HotOutcome> {
    const args = [at, newGeneration(), headTtlMs, ...flat(rows)];
    return outcomeOf(await this.redis.run(fillScript, [this.#head(place)], args));
  }

  onReady(listener: () => void): void {
    this.redis.onReady(listener);
  }

  reconnect(): void {
    this.redis.reconnect();
  }

  close(): void {
    this.redis.close();
  }

  /** The braces are a hash tag: head and rows of a place are in one slot. */
  #head({ partition, lineage }: HotPlace): string {
    return `${this.prefix}:{hot:${partition}:${lineage}}`;
  }
}

/** Random: a generation that is begun again must not meet the rows of one that was lost. */
const newGeneration = (): string => randomBytes(9).toString('base64url');

const flat = (rows: readonly HotRow[]): (string | number)[] =>
  rows.flatMap(({ name, state, leadsTo, ttlMs }) => [name, state, leadsTo, ttlMs]);

const notUnderstood = (): TrunklineError =>
  new TrunklineError(
    'hot_tier_answer',
    'Redis gave an answer that no script of the hot tier gives',
  );

function outcomeOf(reply: unknown): HotOutcome {
  const outcome = hotOutcomes.find((one) => one === reply);
  if (outcome === undefined) throw notUnderstood();
  return outcome;
}

function rowsOf(reply: unknown, names: readonly string[]): HotRows {
  if (!Array.isArray(reply)) throw notUnderstood();
  const [mark, rows, behind] = reply as readonly unknown[];
  if (typeof mark !== 'number' || !Array.isArray(rows) || !Array.isArray(behind)) {
    throw notUnderstood();
  }
  const states = new Map<string, string>();
  names.forEach((name, i) => {
    const state: unknown = rows[i];
    if (typeof state === 'string') states.set(name, state);
  });
  for (let i = 0; i + 1 < behind.length; i += 2) {
    const name: unknown = behind[i];
    const state: unknown = behind[i + 1];
    if (typeof name !== 'string' || typeof state !== 'string') throw notUnderstood();
    states.set(name, state);
  }
  return { mark: offset(mark), states };
}
