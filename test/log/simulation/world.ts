// A little world of one partition: owners, projectors, inputs on both lanes, and everything that may
// go wrong, run by the production code of log/ over the memory driver. The seed decides it all.

import { follow } from '../../../log/consume.js';
import { everyClause, type Clauses } from '../../../log/clauses.js';
import { createMemoryLog, MemoryStore, type AppendFate } from '../../../log/memory.js';
import { ownPartition, type OwnerOptions } from '../../../log/owner.js';
import type { Mark } from '../../../log/mark.js';
import { toError } from '../../../runtime/errors.js';
import type { Coverage } from '../../../schemas/events.js';
import { epoch, offset, ownerId, tenantId } from '../../../schemas/ids.js';
import { formatHeader, noTenant } from '../../../log/record-header.js';
import { expectedOutputs, isCovered, judgeWorld, readAll } from './judge.js';
import { chainDecider, encodePayload, foldTail, type Input } from './inputs.js';
import { Scheduler, seededRandom, settled, type Process } from './scheduler.js';
import { soundTable, Table, type TableRules } from './table.js';

/** What a world lets happen to appends, in parts of a whole. */
export type Faults = Readonly<Record<AppendFate, number>>;

export const everyFault: Faults = {
  ok: 12,
  twice: 1,
  copied_later: 1,
  lost: 1,
  unacked: 2,
  late: 2,
};

export interface WorldOptions {
  readonly seed: number;
  readonly clauses?: Partial<Clauses>;
  readonly table?: Partial<TableRules>;
  readonly faults?: Faults;
  /** One owner id for each process, not for each attempt. (F3) */
  readonly ownerPerProcess?: true;
  /** Owners resume from an offset committed when inputs were decided. (F1) */
  readonly groupOffsets?: true;
  /** The log has a marker from the start, so that no run is found by a race for the epoch alone. */
  readonly founded?: true;
  /** An owner whose ownership ended leaves the partition to others. (F5) */
  readonly neverTakesAgain?: true;
}

export interface WorldResult {
  readonly violations: readonly string[];
  readonly events: number;
  /** Why records of the finished log are dropped by who reads it: that faults did happen. */
  readonly dropped: readonly string[];
  readonly steps: number;
}

interface Live {
  readonly process: Process;
  readonly stop: AbortController;
}

/** `afterthought`: quiet steps that are run in any case, enough to take, restore and decide again. */
const limits = { owners: 3, projectors: 2, quietSteps: 1_500, afterthought: 80 } as const;

/** Runs one schedule to its end and judges what is in the log and in the store. */
export async function runWorld(options: WorldOptions): Promise<WorldResult> {
  const world = new World(options);
  await world.chaos();
  await world.quiet();
  return world.result();
}

class World {
  readonly #options: WorldOptions;
  readonly #clauses: Clauses;
  readonly #scheduler: Scheduler;
  readonly #store: MemoryStore;
  readonly #table: Table;
  readonly #owners: Live[] = [];
  readonly #projectors: Live[] = [];
  readonly #inputs: (Input & { readonly lane: 'realtime' | 'bulk' })[] = [];
  readonly #violations: string[] = [];
  /** Without faults once the world is quiet. */
  #faults: Faults;
  #steps = 0;
  #names = 0;
  #groupOffsets: Coverage = { realtime: offset(-1), bulk: offset(-1) };

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#clauses = { ...everyClause, ...options.clauses };
    this.#scheduler = new Scheduler(seededRandom(options.seed));
    this.#store = new MemoryStore({ clock: () => this.#steps });
    this.#table = new Table({ ...soundTable, ...options.table });
    this.#faults = options.faults ?? everyFault;
    if (options.founded === true || this.#scheduler.chance(0.5)) this.#found();
    for (let left = 3 + this.#scheduler.integer(5); left > 0; left -= 1) {
      this.#inputs.push({
        lane: this.#scheduler.chance(0.5) ? 'realtime' : 'bulk',
        tenant: tenantId(this.#scheduler.chance(0.7) ? 'a' : 'b'),
        outputs: this.#scheduler.integer(3),
      });
    }
  }

  #found(): void {
    const founder = { owner: ownerId('o0'), term: 1, epoch: epoch('founded') };
    const header = formatHeader({ kind: 'marker', ...founder });
    this.#store.land('events', 0, [{ key: noTenant, header, value: null }]);
  }

  /** Anything may happen, for a while. */
  async chaos(): Promise<void> {
    const steps = 40 + this.#scheduler.integer(160);
    this.#startOwner();
    if (this.#scheduler.chance(0.5)) this.#startOwner();
    this.#startProjector();
    while (this.#inputs.length > 0 && this.#scheduler.chance(0.7)) this.#addInput();
    for (let i = 0; i < steps; i += 1) {
      if (this.#scheduler.chance(0.08)) this.#disturb();
      await this.#advance('chaos');
    }
  }

  /** Faults stop and one process has the partition: everything must come to its end. */
  async quiet(): Promise<void> {
    this.#faults = { ok: 1, twice: 0, copied_later: 0, lost: 0, unacked: 0, late: 0 };
    while (this.#inputs.length > 0) this.#addInput();
    // Who believes to be the owner must find out by itself, so it is not always replaced.
    const kept = this.#scheduler.chance(0.5) || this.#options.neverTakesAgain === true ? 1 : 0;
    while (this.#owners.length > kept) this.#leave(this.#owners);
    if (this.#owners.length === 0) this.#startOwner();
    if (this.#projectors.length === 0) this.#startProjector();
    await settled();
    for (let i = 0; i < limits.quietSteps; i += 1) {
      if (i >= limits.afterthought && this.#isDone()) return;
      await this.#advance('quiet');
    }
    this.#violations.push('P5 no progress after faults stopped');
  }

  async result(): Promise<WorldResult> {
    for (const live of [...this.#owners, ...this.#projectors]) {
      live.stop.abort();
      this.#scheduler.crash(live.process);
    }
    await settled();
    const verdict = judgeWorld(this.#store, this.#table.applied, this.#clauses);
    const violations = [...this.#violations, ...verdict];
    const { dropped } = readAll(this.#store, this.#clauses);
    return { violations, events: this.#table.applied.length, dropped, steps: this.#steps };
  }

  async #advance(mode: 'chaos' | 'quiet'): Promise<void> {
    this.#steps += 1;
    await this.#scheduler.advance(mode);
  }

  #isDone(): boolean {
    if (this.#table.mark.next !== this.#store.bounds('events', 0).next) return false;
    const applied = new Set(this.#table.applied.map((event) => event.eventId));
    if (!expectedOutputs(this.#store).every((id) => applied.has(id))) return false;
    // Where records speak for one lane only, inputs without outputs may rightly stay uncovered.
    return !this.#clauses.coverageOfBothLanes || isCovered(this.#store, this.#clauses);
  }

  #disturb(): void {
    const acts = [
      () => this.#addInput(),
      () => this.#addInput(),
      () => this.#startOwner(),
      () => this.#startOwner(),
      () => this.#leave(this.#owners),
      () => this.#startProjector(),
      () => this.#leave(this.#projectors),
    ];
    acts[this.#scheduler.integer(acts.length)]?.();
  }

  #addInput(): void {
    const input = this.#inputs.shift();
    if (input === undefined) return;
    const topic = input.lane === 'realtime' ? 'deliveries' : 'deliveries.bulk';
    const value = Buffer.from(JSON.stringify(input));
    const header = formatHeader({ kind: 'fact' });
    this.#store.land(topic, 0, [{ key: input.tenant, header, value }]);
  }

  /** Crashes one, or lets it stop in an orderly way; its delayed appends land all the same. */
  #leave(group: Live[]): void {
    const [live] = group.splice(this.#scheduler.integer(group.length), 1);
    if (live === undefined) return;
    if (this.#scheduler.chance(0.6)) this.#scheduler.crash(live.process);
    else live.stop.abort();
  }

  #live(kind: string): Live & { readonly wait: () => Promise<void> } {
    this.#names += 1;
    const process = { name: `${kind}${this.#names}`, alive: true };
    return { process, stop: new AbortController(), wait: () => this.#scheduler.step(process) };
  }

  #fate(): AppendFate {
    const fates = Object.entries(this.#faults) as [AppendFate, number][];
    let left = this.#scheduler.random() * fates.reduce((sum, [, weight]) => sum + weight, 0);
    return fates.find(([, weight]) => (left -= weight) < 0)?.[0] ?? 'ok';
  }

  #startOwner(): void {
    if (this.#owners.length >= limits.owners) return;
    const live = this.#live('o');
    const { process, stop, wait } = live;
    this.#owners.push(live);
    const leaves = this.#options.neverTakesAgain === true;
    let attempts = 0;
    const options: OwnerOptions = {
      log: createMemoryLog(
        this.#store,
        this.#scheduler.schedule(process, () => this.#fate()),
      ),
      partition: 0,
      readMark: () => this.#readMark(wait),
      begin: async (restored) => {
        await wait();
        const { rows, next } = this.#table.snapshot();
        if (next < restored.mark.next) return 'again';
        const decider = chainDecider(foldTail(rows, next, restored.tail), wait);
        return this.#options.groupOffsets === true ? this.#committing(decider) : decider;
      },
      encode: encodePayload,
      maxInputs: 1 + this.#scheduler.integer(3),
      signal: stop.signal,
      observe: leaves
        ? {
            ended: () => {
              stop.abort();
            },
          }
        : {},
      newId: () =>
        this.#options.ownerPerProcess === true
          ? process.name
          : `${process.name}.${(attempts += 1)}`,
      random: this.#scheduler.random,
      sleep: this.#scheduler.sleep(process),
      now: () => 0,
      clauses: this.#clauses,
    };
    ownPartition(options).catch((error: unknown) => this.#loss(process, error));
  }

  /** Commits the offsets of what was decided, long before anybody knows what became of it. */
  #committing(decider: ReturnType<typeof chainDecider>): typeof decider {
    return {
      ...decider,
      decide: (inputs) => {
        for (const { lane, offset } of inputs) {
          this.#groupOffsets = { ...this.#groupOffsets, [lane]: offset };
        }
        return decider.decide(inputs);
      },
    };
  }

  async #readMark(wait: () => Promise<void>): Promise<Mark> {
    const mark = await this.#table.readMark(wait);
    return this.#options.groupOffsets === true ? { ...mark, covered: this.#groupOffsets } : mark;
  }

  #startProjector(): void {
    if (this.#projectors.length >= limits.projectors) return;
    const live = this.#live('p');
    this.#projectors.push(live);
    this.#project(live).catch((error: unknown) => this.#loss(live.process, error));
  }

  async #project({ process, stop, wait }: Live & { wait: () => Promise<void> }): Promise<void> {
    const log = createMemoryLog(
      this.#store,
      this.#scheduler.schedule(process, () => 'ok'),
    );
    let isLost = false;
    const goesOn = (): boolean => !stop.signal.aborted && !isLost;
    while (goesOn()) {
      await wait();
      const batches = follow({
        log,
        starts: new Map([[0, this.#table.mark]]),
        signal: stop.signal,
        maxEvents: 1 + this.#scheduler.integer(3),
        maxWaitMs: 100,
        onLoss: (_partition, error) => {
          isLost = true;
          this.#loss(process, error);
        },
        sleep: this.#scheduler.sleep(process),
        clauses: this.#clauses,
      });
      for await (const batch of batches) {
        await wait();
        const outcome = this.#table.commit(batch);
        if (outcome === 'mismatch') throw new Error('the mark is behind where it was left');
        if (outcome === 'ahead') break;
      }
    }
  }

  #loss({ name }: Process, thrown: unknown): void {
    this.#violations.push(`loss seen by ${name}: ${toError(thrown).message}`);
  }
}
