// Ingest, imports: kept deliveries into the bulk lane. Comes in: lines. Goes out: records of
// `deliveries.bulk`, in the order of the lines, each batch acknowledged before the next; how far it is.

import type { Appender, EventLog } from '../log/event-log.js';
import { recordBytes, type FactRecord } from '../log/fact-record.js';
import { pause } from '../log/pause.js';
import { toError, TrunklineError } from '../runtime/errors.js';
import type { DrainRate } from './drain-rate.js';
import { readImportLine, type ImportedLine, type ImportOptions } from './import-line.js';
import { recordDelivery, type RecorderOptions } from './record.js';

/** A line and where it stands, for people; null where it is no text. */
export interface SourceLine {
  readonly at: string;
  readonly text: string | null;
}

/** How far an import is; lines up to `lines` are in the log or refused. */
export interface ImportProgress {
  readonly lines: number;
  readonly taken: number;
  readonly refused: number;
}

/** A line that was not taken. */
export interface RefusedLine {
  readonly at: string;
  readonly code: string;
  readonly detail: string;
}

export interface ImportParts {
  readonly options: Omit<ImportOptions, 'now'>;
  readonly recorder: RecorderOptions;
  readonly log: EventLog;
  readonly rate: DrainRate;
  readonly clock: () => number;
  readonly signal: AbortSignal;
  /** Awaited after each batch: what was told is safe to go on from. */
  readonly onDurable: (progress: ImportProgress) => Promise<void> | void;
  readonly onRefused: (line: RefusedLine) => void;
}

/**
 * Bounds of one batch: small beside those of the real-time lane, whose broker and database it shares, and no more than
 * a tenth of a second's worth, so that an import comes evenly.
 */
const batchRecords = 200;
const perSecondShare = 1 / 10;
const batchBytes = 256 * 1024;
const mostLines = 1_000;
/** Tries of one batch while the log is away, the last ones seconds apart. */
const attempts = 8;

const tooLarge = { code: 'too_large', detail: 'the delivery is larger than a record of the log' };

/**
 * Imports until the lines end or the signal aborts, in both cases resolving with what is durable. Lines that were
 * imported before are duplicates, and recorded as such. Rejects when the log stays away; what was told by
 * `onDurable` stands.
 */
export async function importLines(
  lines: AsyncIterable<SourceLine>,
  from: ImportProgress,
  parts: ImportParts,
): Promise<ImportProgress> {
  const batch = new Batch(from, parts);
  try {
    for await (const line of lines) {
      if (parts.signal.aborted) break;
      await batch.add(line);
    }
    if (!parts.signal.aborted) await batch.flush();
    return batch.durable;
  } finally {
    await batch.close();
  }
}

class Batch {
  durable: ImportProgress;
  #ahead: ImportProgress;
  #records: FactRecord[] = [];
  #bytes = 0;
  #partition = 0;
  #appender: Promise<Appender> | null = null;

  constructor(
    from: ImportProgress,
    private readonly parts: ImportParts,
  ) {
    this.durable = from;
    this.#ahead = from;
  }

  async add({ at, text }: SourceLine): Promise<void> {
    const { options, clock } = this.parts;
    const read: ImportedLine =
      text === null
        ? { ok: false, code: 'line_invalid', detail: 'no UTF-8, or longer than 32 MiB' }
        : readImportLine(text, { ...options, now: clock() });
    if (!read.ok) this.#refuse(at, read);
    else await this.#take(at, read);
    if (this.#isFull()) await this.flush();
  }

  async #take(
    at: string,
    { delivery, mapped }: Extract<ImportedLine, { ok: true }>,
  ): Promise<void> {
    const recorded = await recordDelivery(this.parts.recorder, delivery, mapped);
    if (!recorded.ok) {
      if (recorded.reason === 'too_large') {
        this.#refuse(at, tooLarge);
        return;
      }
      throw new TrunklineError('key_missing', 'the key to seal with is out of reach; run it again');
    }
    this.#partition = recorded.partition;
    this.#records.push(recorded.record);
    this.#bytes += recordBytes(recorded.record);
    this.#count('taken');
  }

  async flush(): Promise<void> {
    const { rate, signal, onDurable } = this.parts;
    if (this.#records.length > 0) {
      try {
        await rate.take(this.#records.length, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        throw thrown;
      }
      await this.#append();
    }
    this.#records = [];
    this.#bytes = 0;
    this.durable = this.#ahead;
    await onDurable(this.durable);
  }

  async close(): Promise<void> {
    const opened = this.#appender;
    this.#appender = null;
    await opened?.then((appender) => appender.close()).catch(() => undefined);
  }

  #refuse(at: string, { code, detail }: { readonly code: string; readonly detail: string }): void {
    this.#count('refused');
    this.parts.onRefused({ at, code, detail });
  }

  #count(what: 'taken' | 'refused'): void {
    const { lines } = this.#ahead;
    this.#ahead = { ...this.#ahead, lines: lines + 1, [what]: this.#ahead[what] + 1 };
  }

  /** Enough for a batch; or so many lines were refused that it is time to say how far it is. */
  #isFull(): boolean {
    const lines = this.#ahead.lines - this.durable.lines;
    const most = Math.min(batchRecords, Math.ceil(this.parts.rate.perSecond * perSecondShare));
    return this.#records.length >= most || this.#bytes >= batchBytes || lines >= mostLines;
  }

  /** After an unknown outcome the whole batch goes again: a copy is a duplicate that the processors know. */
  async #append(): Promise<void> {
    const { log, signal, recorder } = this.parts;
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#appender ??= log.openAppender();
        const appender = await this.#appender;
        await appender.append('deliveries.bulk', this.#partition, this.#records);
        return;
      } catch (thrown) {
        await this.close();
        if (attempt === attempts || signal.aborted) throw logAway(toError(thrown));
        const error = toError(thrown).message;
        recorder.logger.warn({ code: 'append_unknown', attempt, error }, 'append again');
        await pause(Math.min(5_000, 100 * 2 ** attempt), signal);
      }
    }
  }
}

const logAway = (cause: Error): TrunklineError =>
  new TrunklineError(
    'service_unreachable',
    `the log does not take the import: ${cause.message}; run it again once it is back`,
    { cause },
  );
