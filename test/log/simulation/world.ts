// A little world of one partition: owners, projectors, a store with its hot tier, inputs on both lanes, and
// everything that may go wrong, run by the production code of log/, processors/ and projections/ over the
// memory driver. The seed decides it all.

import { follow } from '../../../log/consume.js';
import { everyClause, type Clauses } from '../../../log/clauses.js';
import { createMemoryLog, MemoryStore, type AppendFate } from '../../../log/memory.js';
import { ownPartition, type Decider, type OwnerOptions } from '../../../log/owner.js';
import type { HotTier } from '../../../log/hot-tier.js';
import { startMark, type Mark } from '../../../log/mark.js';
import { toError } from '../../../runtime/errors.js';
import type { Overlay } from '../../../processors/overlay.js';
import { nameOf } from '../../../schemas/aggregates.js';
import type { Coverage } from '../../../schemas/events.js';
import { epoch, offset, ownerId, tenantId } from '../../../schemas/ids.js';
import { formatHeader, noTenant } from '../../../log/record-header.js';
import { HotTwin, soundTier, type HotRules } from '../hot-twin.js';
import { statesDecider } from './decider.js';
import { streamOf, weighted } from './dice.js';
import { expectedOutputs, isCovered, judgeStart, judgeWorld, readAll } from './judge.js';
import { encodePayload, readPayload, touchedBy, type Input } from './inputs.js';
import { openLookups } from './lookups.js';
import { Scheduler, settled, type Process } from './scheduler.js';
import { soundTable, Table, type TableRules } from './table.js';
import { openTier, tierWriter, type CallFate } from './tier.js';

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

/** What a world lets happen to calls of Redis. */
export type CallFaults = Readonly<Record<CallFate, number>>;

const everyCallFault: CallFaults = { ok: 14, unanswered: 1, lost: 1, late: 2 };

/** What may happen beside the steps, in parts of a whole; those of the hot tier where there is one. */
const everyAct = {
  'an input comes': 4,
  'an owner starts': 4,
  'an owner leaves': 2,
  'a projector starts': 2,
  'a projector leaves': 2,
  'Redis is emptied': 1,
  'a key of Redis goes': 3,
  'Redis is saved': 1,
  'Redis goes back': 1,
  'a clock jumps': 1,
  'the store goes back': 1,
} as const;
type Act = keyof typeof everyAct;
export type Acts = Readonly<Partial<Record<Act, number>>>;

export interface WorldOptions {
  readonly seed: number;
  readonly clauses?: Partial<Clauses>;
  readonly table?: Partial<TableRules>;
  readonly tier?: Partial<HotRules>;
  /** The letters of a looser reading of 3.3, see lookups.ts. */
  readonly reading?: string;
  readonly faults?: Faults;
  /** Weights that are other than usual; 0 leaves an act out. */
  readonly acts?: Acts;
  readonly callFaults?: CallFaults;
  /** Many inputs about one call, in a long life: what comes back to the same row soon shows. */
  readonly narrow?: boolean;
  /** One owner id for each process, not for each attempt. (F3) */
  readonly ownerPerProcess?: true;
  /** Owners resume from an offset committed when inputs were decided. (F1) */
  readonly groupOffsets?: true;
  /** The log has a marker from the start, so that no run is found by a race for the epoch alone. */
  readonly founded?: true;
  /** An owner whose ownership ended leaves the partition to others. (F5) */
  readonly neverTakesAgain?: true;
  /** The projector writes to the hot tier before its commit. (A10b) */
  readonly hotBeforeCommit?: true;
  /** A live view begins in the middle: without a mark, or by an owner it has not read. (A17, A17b) */
  readonly viewStarts?: 'without a mark' | 'without the owner';
  /** Whether there is a hot tier. By chance where it is not said, as `narrow`. */
  readonly hot?: boolean;
  /** Steps before faults stop, at most; and the faults that happen, by id; see shrink.ts. */
  readonly steps?: number;
  readonly only?: ReadonlySet<string>;
  /** Steps at which chance says who goes next; all of them where it is not said. */
  readonly turns?: ReadonlySet<number>;
  /** Told of every step and fault. */
  readonly onTrace?: (line: string) => void;
}

export interface WorldResult {
  readonly violations: readonly string[];
  readonly events: number;
  /** Why records of the finished log are dropped by who reads it: that faults did happen. */
  readonly dropped: readonly string[];
  /** What happened, a word for each time. */
  readonly acts: readonly string[];
  /** Ids of the faults that happened. */
  readonly faults: readonly string[];
  /** Steps in which faults could happen. */
  readonly chaosSteps: number;
  readonly steps: number;
}

interface Live {
  readonly process: Process;
  readonly stop: AbortController;
  /** Of a projector: until it reads the marks again. */
  term: AbortController;
  readonly now: () => number;
  readonly wait: (label: string) => Promise<void>;
}

function end({ stop, term }: Live): void {
  stop.abort();
  term.abort();
}

/** `afterthought`: quiet steps that are run in any case, enough to take, restore and decide again. */
const limits = { owners: 3, projectors: 2, quietSteps: 2_500, afterthought: 80 } as const;
/** Virtual ms of a step. */
const stepMs = 200;

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
  readonly #twin: HotTwin | null;
  readonly #owners: Live[] = [];
  readonly #projectors: Live[] = [];
  readonly #inputs: (Input & { readonly lane: 'realtime' | 'bulk' })[] = [];
  readonly #violations: string[] = [];
  readonly #chance: Readonly<Record<'shape' | 'acts' | 'appends' | 'calls' | 'work', () => number>>;
  readonly #happened: string[] = [];
  readonly #acts: string[] = [];
  readonly #skews = new Map<string, number>();
  readonly #isNarrow: boolean;
  #isQuiet = false;
  #restore: () => void = () => undefined;
  #view: Mark = startMark;
  #steps = 0;
  #chaosSteps = 0;
  #names = 0;
  #counts = { append: 0, call: 0 };
  #groupOffsets: Coverage = { realtime: offset(-1), bulk: offset(-1) };

  constructor(options: WorldOptions) {
    const { seed } = options;
    this.#options = options;
    this.#clauses = { ...everyClause, ...options.clauses };
    this.#chance = {
      shape: streamOf(seed, 'shape'),
      acts: streamOf(seed, 'acts'),
      appends: streamOf(seed, 'appends'),
      calls: streamOf(seed, 'calls'),
      work: streamOf(seed, 'work'),
    };
    const { shape } = this.#chance;
    this.#scheduler = new Scheduler({
      ...{ seed, onStep: (text) => this.#trace(text), turns: options.turns ?? null },
    });
    this.#store = new MemoryStore({ clock: () => this.#steps });
    this.#table = new Table({ ...soundTable, ...options.table });
    const isHot = shape() < 0.6;
    const hasTier = options.hot ?? isHot;
    const later = (run: () => void): void => this.#scheduler.later('rows reach Redis', run);
    this.#twin = hasTier ? new HotTwin({ ...soundTier, ...options.tier }, later) : null;
    const isFounded = shape() < 0.5;
    const isNarrow = shape() < 0.2;
    this.#isNarrow = options.narrow ?? isNarrow;
    const narrow = this.#isNarrow;
    if (options.founded === true || isFounded) this.#found();
    for (let left = (narrow ? 7 : 3) + Math.floor(shape() * 5); left > 0; left -= 1) {
      this.#inputs.push({
        lane: shape() < 0.5 ? 'realtime' : 'bulk',
        tenant: tenantId(shape() < (narrow ? 1 : 0.7) ? 'a' : 'b'),
        outputs: Math.floor(shape() * 3),
        call: shape() < (narrow ? 0.9 : 0.7) ? 'c0' : 'c1',
        contact: shape() < 0.5,
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
    const { shape, acts } = this.#chance;
    const steps = 40 + Math.floor(shape() * (this.#isNarrow ? 320 : 160));
    this.#chaosSteps = Math.min(steps, this.#options.steps ?? steps);
    const isPair = shape() < 0.5;
    this.#startOwner();
    if (isPair) this.#startOwner();
    this.#startProjector();
    for (let more = shape(); this.#inputs.length > 0 && more < 0.7; more = shape())
      this.#addInput();
    for (let i = 0; i < this.#chaosSteps; i += 1) {
      const [chance, which, how] = [acts(), acts(), acts()];
      if (chance < 0.1) this.#disturb(`d${i}`, which, how);
      await this.#advance('chaos');
    }
  }

  /** Faults stop and one process has the partition: everything must come to its end. */
  async quiet(): Promise<void> {
    const { shape } = this.#chance;
    this.#trace('faults stop');
    this.#isQuiet = true;
    while (this.#inputs.length > 0) this.#addInput();
    // Who believes to be the owner must find out by itself, so it is not always replaced.
    const kept = shape() < 0.5 || this.#options.neverTakesAgain === true ? 1 : 0;
    while (this.#owners.length > kept) this.#leave(this.#owners, shape());
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
      end(live);
      this.#scheduler.crash(live.process);
    }
    await settled();
    const verdict = judgeWorld(this.#store, this.#table.applied, this.#clauses);
    const view = judgeStart(this.#store, this.#viewStart(), this.#clauses);
    const violations = [...this.#violations, ...verdict, ...view];
    const { dropped } = readAll(this.#store, this.#clauses);
    const { applied } = this.#table;
    return {
      ...{ violations, events: applied.length, dropped, acts: this.#acts, faults: this.#happened },
      ...{ chaosSteps: this.#chaosSteps, steps: this.#steps },
    };
  }

  #trace(line: string): void {
    this.#options.onTrace?.(`${String(this.#steps).padStart(4)}  ${line}`);
  }

  /** Whether the fault happens: any may be left out, to find the fewest that matter. */
  #mayHappen(id: string, act: string, what = act): boolean {
    const { only } = this.#options;
    if (this.#isQuiet || only?.has(id) === false) return false;
    this.#happened.push(id);
    this.#acts.push(act);
    this.#trace(`${id}: ${what}`);
    return true;
  }

  async #advance(mode: 'chaos' | 'quiet'): Promise<void> {
    this.#steps += 1;
    await this.#scheduler.advance(mode, this.#steps);
  }

  #isDone(): boolean {
    if (this.#table.mark.next !== this.#store.bounds('events', 0).next) return false;
    const applied = new Set(this.#table.applied.map((event) => event.eventId));
    if (!expectedOutputs(this.#store).every((id) => applied.has(id))) return false;
    // Where records speak for one lane only, inputs without outputs may rightly stay uncovered.
    return !this.#clauses.coverageOfBothLanes || isCovered(this.#store, this.#clauses);
  }

  /** `how` chooses among what the act may be done to. */
  #disturb(id: string, which: number, how: number): void {
    const act = weighted<Act>({ ...everyAct, ...this.#options.acts }, which);
    const twin = this.#twin;
    const keys = twin?.keys() ?? [];
    const acts: Readonly<Record<Act, () => unknown>> = {
      'an input comes': () => this.#addInput(),
      'an owner starts': () => this.#startOwner(),
      'an owner leaves': () => this.#leave(this.#owners, how),
      'a projector starts': () => this.#startProjector(),
      'a projector leaves': () => this.#leave(this.#projectors, how),
      'Redis is emptied': () => twin?.flush(),
      'a key of Redis goes': () => twin?.drop(keys[Math.floor(how * keys.length)] ?? ''),
      'Redis is saved': () => (this.#restore = twin?.save() ?? this.#restore),
      'Redis goes back': () => this.#restore(),
      'a clock jumps': () =>
        this.#skews.set(`o${Math.ceil(how * this.#names)}`, how * 120_000 - 60_000),
      'the store goes back': () => this.#failOver(how),
    };
    if (act === undefined || (twin === null && / Redis |^Redis/.test(act))) return;
    if (this.#mayHappen(id, act)) acts[act]();
    // A live view may begin at any time.
    if (how < 0.3) this.#view = this.#table.mark;
  }

  /** The projectors look at the stored marks now and then, also when nothing happens. */
  #failOver(how: number): void {
    if (!this.#table.failOver(how)) return;
    this.#scheduler.later('the projectors see that the store went back', () => {
      for (const { term } of this.#projectors) term.abort();
    });
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
  #leave(group: Live[], how: number): void {
    const place = how * group.length;
    const [live] = group.splice(Math.floor(place), 1);
    if (live === undefined) return;
    const crashes = place % 1 < 0.6;
    this.#trace(`${live.process.name} ${crashes ? 'crashes' : 'stops'}`);
    if (crashes) this.#scheduler.crash(live.process);
    else end(live);
  }

  #live(kind: string): Live {
    this.#names += 1;
    const process = { name: `${kind}${this.#names}`, alive: true };
    return {
      process,
      stop: new AbortController(),
      term: new AbortController(),
      wait: (label) => this.#scheduler.step(process, label),
      now: () => this.#steps * stepMs + (this.#skews.get(process.name) ?? 0),
    };
  }

  #fate(process: Process): AppendFate {
    const id = `a${(this.#counts.append += 1)}`;
    const fate = weighted(this.#options.faults ?? everyFault, this.#chance.appends()) ?? 'ok';
    return fate !== 'ok' &&
      this.#mayHappen(id, `append ${fate}`, `an append of ${process.name} is ${fate}`)
      ? fate
      : 'ok';
  }

  #callFate(process: Process): CallFate {
    const id = `c${(this.#counts.call += 1)}`;
    const fate = weighted(this.#options.callFaults ?? everyCallFault, this.#chance.calls()) ?? 'ok';
    return fate !== 'ok' &&
      this.#mayHappen(id, `call ${fate}`, `a call of ${process.name} to Redis is ${fate}`)
      ? fate
      : 'ok';
  }

  #tierOf({ process, now }: Live): HotTier | null {
    const twin = this.#twin;
    const fate = (): CallFate => this.#callFate(process);
    if (twin === null) return null;
    const onFound = (): void => void this.#acts.push('read answered from Redis');
    return openTier({ twin, scheduler: this.#scheduler, process, fate, now, onFound });
  }

  #startOwner(): void {
    if (this.#owners.length >= limits.owners) return;
    const live = this.#live('o');
    const { process, stop, wait, now } = live;
    this.#owners.push(live);
    const leaves = this.#options.neverTakesAgain === true;
    const schedule = this.#scheduler.schedule(process, () => this.#fate(process));
    let attempts = 0;
    const options: OwnerOptions = {
      log: createMemoryLog(this.#store, schedule),
      partition: 0,
      readMark: () => this.#readMark(wait),
      begin: this.#beginning(live),
      encode: encodePayload,
      maxInputs: 1 + Math.floor(this.#chance.work() * 3),
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
      random: this.#chance.work,
      sleep: this.#scheduler.sleep(process),
      now,
      clauses: this.#clauses,
    };
    ownPartition(options).catch((error: unknown) => this.#loss(process, error));
  }

  #beginning(live: Live): OwnerOptions['begin'] {
    const { wait, now } = live;
    const tier = this.#tierOf(live);
    const kept: { overlay: Overlay | null } = { overlay: null };
    const reading = this.#options.reading ?? null;
    const table = this.#table;
    return async (restored) => {
      const lookups = await openLookups({ table, tier, wait, now, reading, kept }, restored);
      if (lookups === 'again') return 'again';
      const decider = statesDecider({
        ...{ lookups, reading },
        wait: () => wait('decides'),
        catchesUp: () => this.#chance.work() < 0.25,
        contactOfReadModel: (ref) => table.row(ref),
        onAcknowledged: (placed) => {
          const { epoch: logEpoch } = restored.after;
          const twin = this.#twin;
          if (reading !== 'A16' || twin === null || logEpoch === null) return;
          for (const { draft, offset: at } of placed) {
            const refs = touchedBy(readPayload({ value: encodePayload(draft) }));
            const rows = refs.map((ref) => ({
              ...{ name: nameOf(ref), leadsTo: '', ttlMs: 1 },
              state: JSON.stringify(lookups.overlay.get(nameOf(ref)) ?? {}),
            }));
            const place = { partition: 0, lineage: `1.${logEpoch}.0` };
            void twin.apply(place, { from: at, to: offset(at + 1), rows });
          }
        },
      });
      return this.#options.groupOffsets === true ? this.#committing(decider) : decider;
    };
  }

  /** Commits the offsets of what was decided, long before anybody knows what became of it. */
  #committing(decider: Decider): Decider {
    return {
      ...decider,
      decide: (inputs) => {
        for (const { lane, offset: at } of inputs) {
          this.#groupOffsets = { ...this.#groupOffsets, [lane]: at };
        }
        return decider.decide(inputs);
      },
    };
  }

  async #readMark(wait: Live['wait']): Promise<Mark> {
    const mark = await this.#table.readMark(() => wait('reads the mark'));
    return this.#options.groupOffsets === true ? { ...mark, covered: this.#groupOffsets } : mark;
  }

  #startProjector(): void {
    if (this.#projectors.length >= limits.projectors) return;
    const live = this.#live('p');
    this.#projectors.push(live);
    this.#project(live).catch((error: unknown) => this.#loss(live.process, error));
  }

  async #project(live: Live): Promise<void> {
    const { process, stop, wait } = live;
    const log = createMemoryLog(
      this.#store,
      this.#scheduler.schedule(process, () => 'ok'),
    );
    let isLost = false;
    const goesOn = (): boolean => !stop.signal.aborted && !isLost;
    const tier = this.#tierOf(live);
    while (goesOn()) {
      live.term = new AbortController();
      await wait('reads the mark');
      const write = tier === null ? null : tierWriter(tier);
      const batches = follow({
        log,
        starts: new Map([[0, this.#table.mark]]),
        signal: live.term.signal,
        maxEvents: 1 + Math.floor(this.#chance.work() * 3),
        maxWaitMs: 100,
        onLoss: (_partition, error) => {
          isLost = true;
          this.#loss(process, error);
        },
        sleep: this.#scheduler.sleep(process),
        clauses: this.#clauses,
      });
      for await (const batch of batches) {
        await wait('commits');
        if (!(await this.#commit(batch, { write, wait }))) break;
      }
    }
  }

  /** False: another projector is ahead, or the store went back; the marks are read again. */
  async #commit(
    batch: Parameters<Table['commit']>[0],
    { write, wait }: { write: ReturnType<typeof tierWriter> | null; wait: Live['wait'] },
  ): Promise<boolean> {
    const table = this.#table;
    const { before, mark: after, events } = batch;
    if (this.#options.hotBeforeCommit === true && write !== null) {
      write({ before, after }, events, table.peek(events));
      await wait('commits after all');
    }
    const outcome = await table.commit(batch, () => wait('commits the rest'));
    if (typeof outcome === 'object') {
      if (this.#options.hotBeforeCommit !== true) write?.({ before, after }, events, outcome);
      return true;
    }
    // As production has it: a store of an earlier moment is read on from there, anything else is loud.
    const wentBack = table.mark.next < before.next && table.hasGoneBack;
    if (outcome === 'mismatch' && !wentBack)
      throw new Error('the mark is behind where it was left');
    return false;
  }

  #viewStart(): Mark {
    const { viewStarts } = this.#options;
    if (viewStarts === undefined) return this.#view;
    const { next, lastSeq, epoch: own } = this.#view;
    if (viewStarts === 'without a mark') return { ...startMark, next, lastSeq, epoch: own };
    return { ...this.#view, owner: null };
  }

  #loss({ name }: Process, thrown: unknown): void {
    this.#violations.push(`loss seen by ${name}: ${toError(thrown).message}`);
  }
}
