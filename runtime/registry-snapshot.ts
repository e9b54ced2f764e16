// The registry on disk, for a start without Postgres: what ingest needs to verify and to seal, as one
// sealed file. In: rows after every load, and the key shelf. Out: the file, never older than what is
// served by more than a moment; read back it opens only under the same master key.

import { join } from 'node:path';

import type { TenantId } from '../schemas/ids.js';
import type { Clock } from './clock.js';
import { readIfPresent, writeDurably } from './durable-file.js';
import { toError, TrunklineError } from './errors.js';
import type { KeptKeys, KeyShelf } from './key-shelf.js';
import type { Logger } from './logger.js';
import type { RegistryRows, RowsKeeper } from './registry-cache.js';
import { deriveKey, openBytes, sealBytes } from './seal.js';

/** What the file holds. API keys are not in it: ingest asks for none. */
export interface KeptRegistry {
  /** When the rows were read from Postgres, ms since 1970. */
  readonly readAt: number;
  readonly rows: RegistryRows;
  readonly keys: KeptKeys;
}

/** What can be said of a snapshot without showing what is in it. */
export interface SnapshotSummary {
  readonly readAt: number;
  readonly endpoints: number;
  /** The last UTC day that every tenant can be sealed for without Postgres; null: not even today. */
  readonly sealableUntil: string | null;
}

const fileName = 'registry.sealed';
const place = 'registry-snapshot/v1';
/** An unchanged registry is written again after this time, so that its age is told rightly. */
const renewMs = 5 * 60_000;
const lookMs = 500;

/** Where the snapshot of a data directory is. */
export const snapshotPath = (dataDirectory: string): string => join(dataDirectory, fileName);

/**
 * The snapshot of the data directory; null when there is none. Throws `unseal_failed` when it does not
 * open under this master key.
 */
export async function readSnapshot(
  dataDirectory: string,
  masterKey: Buffer,
): Promise<KeptRegistry | null> {
  const sealed = await readIfPresent(snapshotPath(dataDirectory));
  if (sealed === null) return null;
  try {
    const text = openBytes(sealingKey(masterKey), place, sealed).toString('utf8');
    return JSON.parse(text) as KeptRegistry;
  } catch (cause) {
    throw new TrunklineError(
      'unseal_failed',
      `the registry snapshot ${snapshotPath(dataDirectory)} does not open: it is damaged, or ` +
        'TRUNKLINE_MASTER_KEY is not the one it was made with',
      { cause },
    );
  }
}

/** What a snapshot is good for on `today`, a UTC day. */
export function summarise(kept: KeptRegistry, today: string): SnapshotSummary {
  const days = new Map<TenantId, Set<string>>();
  for (const [tenant, day] of kept.keys.days) {
    const known = days.get(tenant) ?? new Set<string>();
    days.set(tenant, known.add(day));
  }
  const tenants = new Set(kept.rows.endpoints.map(({ tenant }) => tenant));
  const isSealable = (day: string): boolean =>
    [...tenants].every((tenant) => days.get(tenant)?.has(day) === true);
  let until: string | null = null;
  for (let day = today; tenants.size > 0 && isSealable(day); day = nextDay(day)) until = day;
  return { readAt: kept.readAt, endpoints: kept.rows.endpoints.length, sealableUntil: until };
}

const nextDay = (day: string): string =>
  new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);

const sealingKey = (masterKey: Buffer): Buffer => deriveKey(masterKey, 'registry-snapshot');

export interface SnapshotOptions {
  readonly dataDirectory: string;
  readonly masterKey: Buffer;
  readonly shelf: KeyShelf;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Writes the snapshot whenever rows or keys have changed; a disk that refuses is tried again. */
export class SnapshotKeeper implements RowsKeeper {
  #rows: RegistryRows | null = null;
  #readAt = 0;
  /** What the file on disk says: to see what has changed. */
  #kept = { text: '', shelf: -1, writtenAt: -Infinity };
  #writing: Promise<void> = Promise.resolve();
  #isFaulty = false;

  constructor(private readonly options: SnapshotOptions) {}

  note(rows: RegistryRows): void {
    this.#rows = withoutApiKeys(rows);
    this.#readAt = this.options.clock();
  }

  /** Looks for changes until the signal aborts, then a last time; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const timer = setInterval(() => void this.save(), lookMs);
    timer.unref();
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    clearInterval(timer);
    await this.save();
  }

  /** Resolves when what was noted so far is on disk, or when the disk has refused. */
  save(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#saveChanges());
    return this.#writing;
  }

  async #saveChanges(): Promise<void> {
    if (this.#rows === null) return;
    const { shelf, dataDirectory, masterKey, logger } = this.options;
    const rows = JSON.stringify(this.#rows);
    const { version } = shelf;
    const isSame = rows === this.#kept.text && version === this.#kept.shelf;
    if (isSame && performance.now() - this.#kept.writtenAt < renewMs) return;
    const kept: KeptRegistry = { readAt: this.#readAt, rows: this.#rows, keys: shelf.export() };
    const bytes = Buffer.from(JSON.stringify(kept), 'utf8');
    try {
      const sealed = sealBytes(sealingKey(masterKey), place, bytes);
      await writeDurably(snapshotPath(dataDirectory), sealed);
      this.#kept = { text: rows, shelf: version, writtenAt: performance.now() };
      this.#isFaulty = false;
    } catch (thrown) {
      const error = toError(thrown).message;
      // Once per fault, not once per try.
      if (!this.#isFaulty)
        logger.warn({ code: 'snapshot_not_written', error }, 'the registry is not kept on disk');
      this.#isFaulty = true;
    }
  }
}

const withoutApiKeys = (rows: RegistryRows): RegistryRows => ({ ...rows, apiKeys: [] });
