// What travels on `trunkline.dead-letters`, as Avro: DeadLetter. A change is a new file in schemas/history and
// must be FULL_TRANSITIVE: only fields with a default come or go.

const field = (name: string, type: unknown) => ({ name, type });
const maybe = (name: string, type: unknown) => ({ name, type: ['null', type], default: null });

const parkedFact = {
  type: 'record',
  name: 'ParkedFact',
  fields: [
    field('kind', 'string'),
    field('eventType', 'string'),
    maybe('ref', 'string'),
    maybe('from', 'string'),
    maybe('to', 'string'),
  ],
};

/** Avro schema of `DeadLetter` (schemas/dead-letter.ts), field by field. */
export const deadLetterSchema = {
  type: 'record',
  name: 'DeadLetter',
  namespace: 'trunkline',
  fields: [
    field('tenant', 'string'),
    field('id', 'string'),
    field('seq', 'long'),
    field('state', 'string'),
    field('errorClass', 'string'),
    field('errorCode', 'string'),
    field('error', 'string'),
    field('attempts', 'int'),
    field('queueId', 'string'),
    field('provider', 'string'),
    field('facts', { type: 'array', items: parkedFact }),
    field('sourceTopic', 'string'),
    field('sourceOffset', 'long'),
    field('sourceAt', 'long'),
    field('recordBytes', 'int'),
    maybe('deliveryId', 'string'),
    maybe('endpoint', 'string'),
    field('correlationId', 'string'),
    field('updatedAt', 'long'),
  ],
} as const;
