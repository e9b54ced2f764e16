// What travels, stage by stage. Each type is made in exactly one function, so that what was not
// verified or not redacted cannot be passed on:
//   RawDelivery → VerifiedDelivery → RecordedFact → EventEnvelope → ReadModelChange → LiveFrame

import type { ProviderFact, ProviderName } from './facts.js';
import type { Brand, EndpointId, TenantId } from './ids.js';

/** Bytes off the wire; nothing is verified. Made by `ingest/receive.ts`. */
export interface RawDelivery {
  readonly endpoint: EndpointId;
  readonly method: 'GET' | 'POST';
  /** Path and query exactly as received. */
  readonly target: string;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  readonly clientAddress: string;
  /** Our clock in ms since 1970. */
  readonly receivedAt: number;
  readonly correlationId: string;
}

/** A delivery whose signature, time and address are right. Made by `ingest/verify.ts`. */
export type VerifiedDelivery = Brand<
  {
    readonly tenant: TenantId;
    readonly provider: ProviderName;
    /** The public URL the provider signed. */
    readonly url: string;
    /** The credential that verified it; a retiring one ends with its rotation's grace period. */
    readonly credential: { readonly id: string; readonly isRetiring: boolean };
    /** The signed time in ms since 1970; null where the provider signs none. */
    readonly signedAtMs: number | null;
    /** The sender's id of the message, from what was signed; null where the scheme signs none. */
    readonly messageId: string | null;
    readonly raw: RawDelivery;
  },
  'VerifiedDelivery'
>;

/** The facts of a verified delivery. Made by the provider's file. */
export interface MappedDelivery {
  readonly facts: readonly [ProviderFact, ...ProviderFact[]];
  readonly mappingVersion: number;
}
