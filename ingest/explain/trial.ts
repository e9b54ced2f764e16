// Ingest, why a signature failed: one refused request, tried in other forms by the provider's own `verify`.
// Counts the work, so that a search ends after a bounded amount of it whatever was sent.

import type { AcceptedBy, Provider } from '../providers/provider.js';
import type { Refusal, SignedRequest } from '../schemes/scheme.js';
import type { TriedCredential } from './change.js';

/** A form that was accepted, or would have been at its own time or for its own account. */
export interface Match {
  readonly credential: TriedCredential;
  /** Signed time minus ours, in ms; 0 where it was accepted at ours. */
  readonly offsetMs: number;
  readonly isOutOfTime: boolean;
  /** True where all is right but the account. */
  readonly account: boolean;
}

/** How much may be done, and how much was: a unit is one credential tried on one form with 4 KiB of body. */
export interface Work {
  readonly units: number;
  spent: number;
}

interface TrialOptions {
  readonly provider: Provider;
  readonly request: SignedRequest;
  readonly nowMs: number;
  readonly work: Work;
}

const unitBytes = 4096;

export class Trial {
  #readsUrl = false;

  constructor(private readonly options: TrialOptions) {}

  /** True once any judgement looked at the URL: a scheme that does not needs no other URLs. */
  get readsUrl(): boolean {
    return this.#readsUrl;
  }

  /** True once this share of the work is done. */
  isSpent(share: number): boolean {
    const { units, spent } = this.options.work;
    return spent >= units * share;
  }

  /** What the provider says of the request with `change`, at our time unless another is given. */
  judge(
    change: Partial<SignedRequest>,
    credentials: readonly TriedCredential[],
    nowMs = this.options.nowMs,
  ): AcceptedBy | Refusal {
    const { provider, request } = this.options;
    const changed = { ...request, ...change };
    this.options.work.spent += credentials.length * (1 + changed.body.length / unitBytes);
    const values = credentials.map(({ value }) => value);
    return provider.verify(this.#watched(changed), values, nowMs);
  }

  /** The credential under which the changed request is right; null where there is none, or no work left. */
  match(change: Partial<SignedRequest>, credentials: readonly TriedCredential[]): Match | null {
    const { nowMs } = this.options;
    if (this.isSpent(1)) return null;
    const verdict = this.judge(change, credentials);
    if (verdict.ok) return this.#matchOf(credentials, verdict.credential, 0);
    const { code, signedAtMs } = verdict;
    if (code === 'account_mismatch') return this.#accountOf(change, credentials);
    if (verdict.layer !== 'timestamp' || signedAtMs === undefined) return null;
    const then = this.judge(change, credentials, signedAtMs);
    if (!then.ok) return null;
    return this.#matchOf(credentials, then.credential, signedAtMs - nowMs);
  }

  #matchOf(credentials: readonly TriedCredential[], index: number, offsetMs: number): Match | null {
    const credential = credentials[index];
    if (credential === undefined) return null;
    return { credential, offsetMs, isOutOfTime: offsetMs !== 0, account: false };
  }

  /** Which credential found another account: its signature was right. */
  #accountOf(
    change: Partial<SignedRequest>,
    credentials: readonly TriedCredential[],
  ): Match | null {
    for (const credential of credentials) {
      const verdict = this.judge(change, [credential]);
      if (verdict.ok || verdict.code !== 'account_mismatch') continue;
      return { credential, offsetMs: 0, isOutOfTime: false, account: true };
    }
    return null;
  }

  #watched(request: SignedRequest): SignedRequest {
    const { url, ...rest } = request;
    const noteRead = (): void => {
      this.#readsUrl = true;
    };
    return {
      ...rest,
      get url() {
        noteRead();
        return url;
      },
    };
  }
}
