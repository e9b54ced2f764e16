// From inputs to batches of `events` (design 3.2, rules 4 and 8): decide, number, encode, cut.
// Comes in: inputs. Goes out: batches that each hold all outputs of their inputs, and coverage.

import { TrunklineError } from '../runtime/errors.js';
import type { Coverage, EventDraft } from '../schemas/events.js';
import { offset, seq, type Epoch, type OwnerId, type Seq, type TenantId } from '../schemas/ids.js';
import type { Clauses } from './clauses.js';
import type { Decider, EncodeEvent } from './decider.js';
import type { LogRecord } from './event-log.js';
import type { SourceRecord } from './lanes.js';
import type { Mark } from './mark.js';
import { formatHeader, noTenant } from './record-header.js';

export interface NumberedDraft {
  readonly draft: EventDraft;
  readonly seq: Seq;
  /** Where the record stands in its batch. */
  readonly index: number;
}

/** What one append holds. */
export interface Batch {
  readonly records: readonly LogRecord[];
  readonly drafts: readonly NumberedDraft[];
  readonly inputs: number;
  readonly bytes: number;
}

/** The outputs of one input, numbered and encoded. */
interface Outputs {
  /** Why they cannot be appended; null when they can. */
  readonly fault: Fault | null;
  readonly drafts: readonly { readonly draft: EventDraft; readonly seq: Seq }[];
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  /** Coverage up to and including this input. */
  readonly covered: Coverage;
}

/** What parks an input: nothing that it holds may stand in the way of those behind it. */
interface Fault {
  readonly code: 'outputs_too_large' | 'outputs_not_encodable';
  readonly detail: string;
}

interface Numbers {
  readonly lastSeq: ReadonlyMap<TenantId, Seq>;
  readonly covered: Coverage;
}

export interface PlannerOptions {
  readonly decider: Decider;
  readonly encode: EncodeEvent;
  /** The mark that the ownership starts from: its owner, epoch, last sequences and coverage. */
  readonly from: Mark;
  readonly maxBatchBytes: number;
  readonly clauses: Clauses;
  readonly onParked?: () => void;
}

/** Kept free in each batch for its own frame and a checkpoint at its end. */
const batchFrameBytes = 1024;
/** What a record costs beside key, header and value; more than any driver needs. */
const recordFrameBytes = 64;

const recordBytes = (record: LogRecord): number =>
  Buffer.byteLength(record.key) +
  Buffer.byteLength(record.header) +
  (record.value?.length ?? 0) +
  recordFrameBytes;

/**
 * Plans the appends of one ownership. It counts sequences and coverage on by itself: what it plans
 * is appended in this order or the ownership ends.
 */
export class Planner {
  readonly #options: PlannerOptions;
  readonly #owner: OwnerId;
  readonly #epoch: Epoch;
  readonly #lastSeq: Map<TenantId, Seq>;
  #covered: Coverage;

  constructor(options: PlannerOptions) {
    const { owner, epoch } = options.from;
    if (owner === null || epoch === null)
      throw new TrunklineError('internal', 'no owner to plan for');
    this.#options = options;
    this.#owner = owner;
    this.#epoch = epoch;
    this.#lastSeq = new Map(options.from.lastSeq);
    this.#covered = options.from.covered;
  }

  /** Decides the inputs and lays their outputs into as few batches as the size limit allows. */
  async plan(inputs: readonly SourceRecord[]): Promise<readonly Batch[]> {
    return this.#cut(await this.#decide(inputs));
  }

  /**
   * One input whose outputs exceed the limit is parked, never split; likewise one whose outputs are no
   * values of the schema. What was decided after it was decided from events that will not be, so the
   * whole decision is revoked and made again.
   */
  async #decide(inputs: readonly SourceRecord[]): Promise<readonly Outputs[]> {
    if (inputs.length === 0) return [];
    const { decider, onParked } = this.#options;
    const all = this.#number(inputs, await decider.decide(inputs));
    const at = all.outputs.findIndex((outputs) => outputs.fault !== null);
    const faulty = inputs[at];
    const fault = all.outputs[at]?.fault ?? null;
    if (faulty === undefined || fault === null) {
      this.#count(all.numbers);
      return all.outputs;
    }
    decider.revoke();
    const before = await this.#decide(inputs.slice(0, at));
    const parked = await this.#park(faulty, fault);
    onParked?.();
    return [...before, parked, ...(await this.#decide(inputs.slice(at + 1)))];
  }

  async #park(input: SourceRecord, { code, detail }: Fault): Promise<Outputs> {
    const drafts = await this.#options.decider.park(input, code, detail);
    const { outputs, numbers } = this.#number([input], [drafts]);
    const [parked] = outputs;
    if (parked === undefined || parked.fault !== null) {
      throw new TrunklineError('internal', 'a parked input cannot be appended either');
    }
    this.#count(numbers);
    return parked;
  }

  get #limit(): number {
    return this.#options.maxBatchBytes - batchFrameBytes;
  }

  #count({ lastSeq, covered }: Numbers): void {
    for (const [tenant, last] of lastSeq) this.#lastSeq.set(tenant, last);
    this.#covered = covered;
  }

  #number(
    inputs: readonly SourceRecord[],
    decided: readonly (readonly EventDraft[])[],
  ): { readonly outputs: readonly Outputs[]; readonly numbers: Numbers } {
    if (decided.length !== inputs.length) {
      throw new TrunklineError(
        'internal',
        `${inputs.length} inputs gave ${decided.length} outputs`,
      );
    }
    const lastSeq = new Map<TenantId, Seq>();
    let covered = this.#covered;
    const outputs = inputs.map((input, i) => {
      covered = { ...covered, [input.lane]: input.offset };
      const drafts = (decided[i] ?? []).map((draft) => {
        const last = lastSeq.get(draft.tenant) ?? this.#lastSeq.get(draft.tenant) ?? 0;
        const next = seq(last + 1);
        lastSeq.set(draft.tenant, next);
        return { draft, seq: next };
      });
      const said = this.#said(covered, input);
      return { drafts, covered: said, ...this.#encodeAll(drafts, said) };
    });
    return { outputs, numbers: { lastSeq, covered } };
  }

  #encodeAll(
    drafts: Outputs['drafts'],
    covered: Coverage,
  ): Pick<Outputs, 'records' | 'bytes' | 'fault'> {
    try {
      const records = drafts.map(({ draft, seq: number }) => this.#encode(draft, number, covered));
      const bytes = sum(records.map(recordBytes));
      if (bytes <= this.#limit) return { records, bytes, fault: null };
      const detail = `its outputs take ${bytes} bytes, a batch holds ${this.#limit}`;
      return { records, bytes, fault: { code: 'outputs_too_large', detail } };
    } catch (thrown) {
      // Only what the codec says of the values; everything else is a defect of ours.
      if (!(thrown instanceof TrunklineError) || thrown.code !== 'value_unreadable') throw thrown;
      const fault = { code: 'outputs_not_encodable', detail: thrown.message } as const;
      return { records: [], bytes: 0, fault };
    }
  }

  /** Every record carries the coverage of both lanes, so that the last one alone says it all. */
  #said(covered: Coverage, input: SourceRecord): Coverage {
    if (this.#options.clauses.coverageOfBothLanes) return covered;
    return { realtime: offset(-1), bulk: offset(-1), [input.lane]: input.offset };
  }

  #encode(draft: EventDraft, seq: Seq, covered: Coverage): LogRecord {
    const owner = this.#owner;
    const epoch = this.#epoch;
    const { tenant, eventId } = draft;
    return {
      key: tenant,
      header: formatHeader({ kind: 'event', owner, epoch, seq, eventId, covered }),
      value: this.#options.encode(draft, { tenant, seq, epoch, owner, covered }),
    };
  }

  /** Cuts between inputs only. */
  #cut(planned: readonly Outputs[]): readonly Batch[] {
    const { clauses } = this.#options;
    const pieces = clauses.wholeInputs ? planned.map((one) => [one]) : planned.map(splitByRecord);
    const batches: Batch[] = [];
    let open: Outputs[] = [];
    let bytes = 0;
    for (const piece of pieces.flat()) {
      const isFull = bytes + piece.bytes > this.#limit || !clauses.wholeInputs;
      if (open.length > 0 && isFull) {
        batches.push(this.#close(open, bytes));
        open = [];
        bytes = 0;
      }
      open.push(piece);
      bytes += piece.bytes;
    }
    if (open.length > 0) batches.push(this.#close(open, bytes));
    return batches;
  }

  /** A checkpoint at the end speaks for inputs that gave no outputs: they are covered too. */
  #close(all: readonly Outputs[], bytes: number): Batch {
    const records = all.flatMap((one) => one.records);
    const drafts = all
      .flatMap((one) => one.drafts)
      .map((numbered, index) => ({ ...numbered, index }));
    const last = all[all.length - 1];
    if (last !== undefined && last.records.length === 0)
      records.push(this.#checkpoint(last.covered));
    return { records, drafts, inputs: all.length, bytes };
  }

  #checkpoint(covered: Coverage): LogRecord {
    const header = formatHeader({
      kind: 'checkpoint',
      owner: this.#owner,
      epoch: this.#epoch,
      covered,
    });
    return { key: noTenant, header, value: null };
  }
}

/** Only without the clause `wholeInputs`: each output goes its own way. */
function splitByRecord(all: Outputs): readonly Outputs[] {
  if (all.records.length < 2) return [all];
  return all.records.map((record, i) => ({
    drafts: all.drafts.slice(i, i + 1),
    records: [record],
    bytes: recordBytes(record),
    covered: all.covered,
    fault: null,
  }));
}

const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);
