// Ingest, providers: the interface one provider file implements. What comes in is a signed request or a
// verified delivery; what goes out is a verdict, facts and the answer the provider expects.

import type { z } from 'zod';
import type { ProviderFact, ProviderName } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { refuse, type Refusal, type SignedRequest, type Verdict } from '../schemes/scheme.js';

/** A credential as it is stored: names as in the provider's `credentialSchema`. */
export type StoredCredential = Readonly<Record<string, string>>;

/** The answer to a delivery that is safely in the log or the spool. */
export interface Acknowledgement {
  readonly status: 200 | 204;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What is particular to one provider. */
export interface ProviderDefinition<Credential> {
  readonly name: ProviderName;
  /** Version of `map`; a fact says by which it was made. Raise it with every change of meaning. */
  readonly mappingVersion: number;
  readonly credentialSchema: z.ZodType<Credential>;
  /** Judges a request by one credential, at `nowMs` of our clock. */
  verify(request: SignedRequest, credential: Credential, nowMs: number): Verdict;
  /** At least one fact; what is not understood is a fact too. May throw on what nobody foresaw. */
  map(delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]];
  acknowledge(delivery: VerifiedDelivery): Acknowledgement;
}

export interface Provider extends Omit<ProviderDefinition<unknown>, 'verify'> {
  /** Judges a request by each live credential, newest first; one that accepts is enough. */
  verify(request: SignedRequest, credentials: readonly StoredCredential[], nowMs: number): Verdict;
}

/** Nothing to say: 204. */
export const noContent: Acknowledgement = { status: 204, headers: {}, body: '' };

// Of several credentials' refusals the most telling one is answered: a mismatch is what every wrong
// secret gives, while a stale time or a foreign account was found by the right one.
const dullness: Readonly<Record<string, number>> = {
  signature_mismatch: 1,
  credentials_invalid: 2,
};

function moreTelling(a: Refusal, b: Refusal): Refusal {
  return (dullness[b.code] ?? 0) < (dullness[a.code] ?? 0) ? b : a;
}

/** Reads each stored credential once; the registry hands out the same objects until they change. */
function credentialReader<C>(schema: z.ZodType<C>): (stored: StoredCredential) => C | null {
  const read = new WeakMap<StoredCredential, { readonly value: C | null }>();
  return (stored) => {
    const known = read.get(stored);
    if (known !== undefined) return known.value;
    const parsed = schema.safeParse(stored);
    const value = parsed.success ? parsed.data : null;
    read.set(stored, { value });
    return value;
  };
}

/** Makes a provider of its definition: credentials are parsed, several are tried. */
export function defineProvider<C>(definition: ProviderDefinition<C>): Provider {
  const read = credentialReader(definition.credentialSchema);
  return {
    name: definition.name,
    mappingVersion: definition.mappingVersion,
    credentialSchema: definition.credentialSchema,
    map: (delivery) => definition.map(delivery),
    acknowledge: (delivery) => definition.acknowledge(delivery),
    verify(request, credentials, nowMs) {
      let refusal = refuse('credentials_invalid');
      for (const stored of credentials) {
        const credential = read(stored);
        if (credential === null) continue;
        const verdict = definition.verify(request, credential, nowMs);
        if (verdict.ok) return verdict;
        refusal = moreTelling(refusal, verdict);
      }
      return refusal;
    },
  };
}
