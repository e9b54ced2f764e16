// Ingest, providers: the interface one provider file implements. What comes in is a signed request or a
// verified delivery; what goes out is a verdict, facts and the answer the provider expects.

import type { z } from 'zod';
import type { ProviderFact, ProviderName } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import {
  refuse,
  type Accepted,
  type Refusal,
  type SignedRequest,
  type Verdict,
} from '../schemes/scheme.js';

/** A credential as it is stored: names as in the provider's `credentialSchema`. */
export type StoredCredential = Readonly<Record<string, string>>;

/** The answer to a delivery that is safely in the log or the spool. */
export interface Acknowledgement {
  readonly status: 200 | 204;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A request as it leaves a sender; `url` is the public one that is signed. Header names in lower case. */
export interface OutgoingDelivery {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What a person needs to connect this provider; the source of docs/providers and `endpoint show`. */
export interface ProviderGuide {
  /** As the provider writes it, e.g. `Twilio`. */
  readonly title: string;
  /** What its deliveries are about here, e.g. `calls`, `messages`, `AI agent calls`. */
  readonly covers: readonly string[];
  /** Where in the provider's console the URL goes, a step a line; `{url}` stands for the webhook URL. */
  readonly steps: readonly string[];
  /** By name of the credential: what it is and where the provider shows it. */
  readonly credentials: Readonly<Record<string, string>>;
  /** What the signature covers and which time window holds, in a sentence. */
  readonly verified: string;
  /** The official SDK whose verifier judges ours in the tests, with its version; null where there is none. */
  readonly judgedBy: string | null;
}

/** What is particular to one provider. */
export interface ProviderDefinition<Credential> {
  readonly name: ProviderName;
  /** Other names that people and files call it by; never stored. */
  readonly aliases?: readonly string[];
  /** Version of `map`; a fact says by which it was made. Raise it with every change of meaning. */
  readonly mappingVersion: number;
  readonly credentialSchema: z.ZodType<Credential>;
  readonly guide: ProviderGuide;
  /** Networks (CIDR) the provider publishes for its webhooks; empty where it publishes none. */
  readonly addressRanges: readonly string[];
  /** Headers worth keeping with a delivery; never one with a credential, a signature or an address. */
  readonly keptHeaders?: readonly string[];
  /**
   * Headers (lower case) that carry the signature, the telling one first: by them a delivery is known at
   * another provider's endpoint. None where the endpoint's own configuration names them.
   */
  readonly signatureHeaders?: readonly string[];
  /** Largest body its deliveries may have, in bytes, where that is more than 1 MiB. */
  readonly maxBodyBytes?: number;
  /** Judges a request by one credential, at `nowMs` of our clock. */
  verify(request: SignedRequest, credential: Credential, nowMs: number): Verdict;
  /** At least one fact; what is not understood is a fact too. May throw on what nobody foresaw. */
  map(delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]];
  acknowledge(delivery: VerifiedDelivery): Acknowledgement;
  /** Names of the credentials that `sign` needs: those of the endpoint, or the sender's own secret. */
  readonly signsWith: readonly string[];
  /**
   * Signs as the provider does, for simulated traffic, `endpoint test` and stored deliveries that are
   * sent anew; null where the credentials hold nothing to sign with.
   */
  sign(
    request: OutgoingDelivery,
    credentials: StoredCredential,
    nowMs: number,
  ): OutgoingDelivery | null;
}

/** Accepted, and by which of the credentials that were tried (their index). */
export interface AcceptedBy extends Accepted {
  readonly credential: number;
}

export interface Provider extends Omit<
  ProviderDefinition<unknown>,
  'verify' | 'keptHeaders' | 'signatureHeaders' | 'maxBodyBytes' | 'aliases'
> {
  readonly aliases: readonly string[];
  readonly keptHeaders: readonly string[];
  readonly signatureHeaders: readonly string[];
  /** Null for 1 MiB. */
  readonly maxBodyBytes: number | null;
  /** Judges a request by each live credential, newest first; one that accepts is enough. */
  verify(
    request: SignedRequest,
    credentials: readonly StoredCredential[],
    nowMs: number,
  ): AcceptedBy | Refusal;
}

/** Nothing to say: 204. */
export const noContent: Acknowledgement = { status: 204, headers: {}, body: '' };

/** For providers that count nothing but 200 as delivered. */
export const plainOk: Acknowledgement = { status: 200, headers: {}, body: '' };

/** Instructions that ask for nothing, in the XML of Twilio and its kin: Trunkline listens only. */
export const emptyXml: Acknowledgement = {
  status: 200,
  headers: { 'content-type': 'text/xml; charset=utf-8' },
  body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
};

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

/** Field by field: most have one or none of them, and spreading costs more than looking. */
function acceptedBy({ signedAtMs, messageId }: Accepted, credential: number): AcceptedBy {
  if (messageId !== undefined) {
    const accepted: AcceptedBy = { ok: true, messageId, credential };
    return signedAtMs === undefined ? accepted : { ...accepted, signedAtMs };
  }
  return signedAtMs === undefined ? { ok: true, credential } : { ok: true, signedAtMs, credential };
}

/** Makes a provider of its definition: credentials are parsed, several are tried. */
export function defineProvider<C>(definition: ProviderDefinition<C>): Provider {
  const read = credentialReader(definition.credentialSchema);
  const { name, mappingVersion, credentialSchema, guide, addressRanges, signsWith } = definition;
  return {
    ...{ name, mappingVersion, credentialSchema, guide, addressRanges, signsWith },
    aliases: definition.aliases ?? [],
    keptHeaders: definition.keptHeaders ?? [],
    signatureHeaders: definition.signatureHeaders ?? [],
    maxBodyBytes: definition.maxBodyBytes ?? null,
    map: (delivery) => definition.map(delivery),
    acknowledge: (delivery) => definition.acknowledge(delivery),
    sign: (request, credentials, nowMs) => definition.sign(request, credentials, nowMs),
    verify(request, credentials, nowMs) {
      let refusal: Refusal | null = null;
      for (let at = 0; at < credentials.length; at += 1) {
        const stored = credentials[at];
        const usable = stored === undefined ? null : read(stored);
        if (usable === null) continue;
        const verdict = definition.verify(request, usable, nowMs);
        if (verdict.ok) return acceptedBy(verdict, at);
        refusal = refusal === null ? verdict : moreTelling(refusal, verdict);
      }
      return refusal ?? refuse('credentials_invalid');
    },
  };
}
