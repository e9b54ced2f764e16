// Ingest: which credential verified how often. Comes in: each accepted delivery's credential, one map look-up.
// Goes out: sums to Postgres every few seconds, and a warning where an old one is still used at its end.

import type { CredentialUse, DiagnosisStore } from '../runtime/diagnosis-store.js';
import type { Clock } from '../runtime/clock.js';
import type { Logger } from '../runtime/logger.js';
import type { Endpoint } from '../runtime/registry.js';
import { Quiet } from './quiet.js';

interface Tally {
  readonly endpoint: Endpoint;
  uses: number;
  lastUsedAt: number;
}

export interface CredentialUsesOptions {
  /** Null: nothing is written. */
  readonly store: DiagnosisStore | null;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Default 5 s. */
  readonly flushMs?: number;
}

const flushMs = 5_000;
const hourMs = 3_600_000;

export class CredentialUses {
  #tallies = new Map<string, Tally>();
  readonly #quiet = new Quiet();
  readonly #timer: NodeJS.Timeout;
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly options: CredentialUsesOptions) {
    this.#timer = setInterval(() => {
      this.#writing = this.#writing.then(() => this.#write());
    }, options.flushMs ?? flushMs);
    this.#timer.unref();
  }

  /** Counts one delivery; on its way, so no more than that. `at` is ms since 1970. */
  note(endpoint: Endpoint, credential: string, at: number): void {
    const tally = this.#tallies.get(credential);
    if (tally === undefined) {
      this.#tallies.set(credential, { endpoint, uses: 1, lastUsedAt: at });
      return;
    }
    tally.uses += 1;
    tally.lastUsedAt = at;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.#write();
  }

  async #write(): Promise<void> {
    const tallies = this.#tallies;
    if (tallies.size === 0) return;
    this.#tallies = new Map();
    for (const [credential, { endpoint }] of tallies) this.#warnAtEnd(endpoint, credential);
    const uses = [...tallies].map(([credential, { endpoint, uses, lastUsedAt }]): CredentialUse => {
      const { tenant, id } = endpoint;
      return { tenant, endpoint: id, credential, uses, lastUsedAt };
    });
    // Sums stay until they are written: no use is lost while Postgres is away.
    await this.options.store?.writeUses(uses).catch(() => this.#takeBack(tallies));
  }

  #takeBack(tallies: ReadonlyMap<string, Tally>): void {
    for (const [credential, tally] of tallies) {
      const since = this.#tallies.get(credential);
      const uses = tally.uses + (since?.uses ?? 0);
      const { endpoint, lastUsedAt } = since ?? tally;
      this.#tallies.set(credential, { endpoint, uses, lastUsedAt });
    }
  }

  #warnAtEnd(endpoint: Endpoint, id: string): void {
    const used = endpoint.credentials.find((one) => one.id === id);
    const endsAt = used?.endsAt ?? null;
    if (endsAt === null) return;
    const leftMs = endsAt - this.options.clock();
    if (leftMs > hourMs || leftMs < 0) return;
    const suppressed = this.#quiet.suppressed(`${endpoint.id}/${id}`);
    if (suppressed === null) return;
    const fields = { code: 'old_credential_used', endpoint: endpoint.id, tenant: endpoint.tenant };
    this.options.logger.warn(
      { ...fields, minutesLeft: Math.round(leftMs / 60_000), suppressed },
      'the provider still signs with a credential that ends soon',
    );
  }
}
