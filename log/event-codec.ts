// Bytes of the log: Avro in the Confluent wire format (0x00, 4-byte schema id, payload), with the
// schemas of schemas/ and cached resolvers. Ids come from the registry, or from the local table.

import type { EventEnvelope } from '../schemas/events.js';
import type { RecordedFact } from '../schemas/facts.js';

export interface Codec {
  encodeEvent(event: EventEnvelope): Buffer;
  decodeEvent(value: Buffer): EventEnvelope;
  encodeFact(fact: RecordedFact): Buffer;
  decodeFact(value: Buffer): RecordedFact;
}

/** A codec with the ids of the local table; needs no service. */
export declare function createLocalCodec(): Codec;
/** Registers the schemas (FULL_TRANSITIVE) and uses the registry's ids. */
export declare function createRegistryCodec(registryUrl: string): Promise<Codec>;
