// What travels on `trunkline.deliveries`, as Avro: RecordedFact, version 1. A change is a new file in
// schemas/history and must be FULL_TRANSITIVE: only fields with a default come or go.

/** Avro schema of `RecordedFact` (schemas/facts.ts), field by field. */
export const recordedFactSchema = {
  type: 'record',
  name: 'RecordedFact',
  namespace: 'trunkline',
  fields: [
    { name: 'tenant', type: 'string' },
    { name: 'endpoint', type: 'string' },
    { name: 'provider', type: 'string' },
    { name: 'deliveryId', type: 'string' },
    { name: 'receivedAt', type: 'long' },
    { name: 'correlationId', type: 'string' },
    { name: 'traceId', type: 'string' },
    { name: 'schemaVersion', type: 'int' },
    { name: 'mappingVersion', type: 'int' },
    { name: 'dayKey', type: 'string' },
    { name: 'sealed', type: 'bytes' },
  ],
} as const;
