// Bytes of the log: Avro in the Confluent wire format (0x00, 4-byte schema id, payload), with the
// schemas of schemas/avro and cached resolvers. Ids come from the registry, or from the local table.

import { setTimeout as delay } from 'node:timers/promises';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type avsc from 'avsc';
import { TrunklineError, toError } from '../runtime/errors.js';
import type { DeadLetter } from '../schemas/dead-letter.js';
import type { CallSignal, RecordedFact } from '../schemas/facts.js';
import type { TimerSignal } from '../schemas/call-state.js';
import type { EventBody, EventEnvelope } from '../schemas/events.js';
import { writeShortStringsFast } from './avro-strings.js';
import { currentSchemas, localId, readHistory, typeOf, type SchemaName } from './schema-history.js';

writeShortStringsFast();

/**
 * Encodes and decodes. Decoding throws `schema_unknown` for an id not known yet (call `learn` first)
 * and `value_unreadable` for bytes that are not a value of their schema.
 */
export interface Codec {
  encodeEvent(event: EventEnvelope): Buffer;
  decodeEvent(value: Buffer): EventEnvelope;
  encodeFact(fact: RecordedFact): Buffer;
  /** As `encodeFact`, with `boxBytes` left free for the sealed half: no copy of it is made. */
  encodeFactAround(fact: Omit<RecordedFact, 'sealed'>, boxBytes: number): FactBytes;
  decodeFact(value: Buffer): RecordedFact;
  encodeDeadLetter(letter: DeadLetter): Buffer;
  decodeDeadLetter(value: Buffer): DeadLetter;
  /**
   * Fetches the schemas of these values that are not known yet, each once; null when all are known,
   * which costs nothing. A newer process may write with a schema that this one has not seen.
   */
  learn(values: Iterable<Buffer | null>): Promise<void> | null;
  /** The ids it writes with. */
  readonly schemaIds: Readonly<Record<SchemaName, number>>;
}

export interface FactBytes {
  readonly value: Buffer;
  /** The end of `value`, which the caller fills. */
  readonly box: Buffer;
}

/** A codec with the ids of the local table; needs no service. */
export function createLocalCodec(): Codec {
  return codecOf(localTable(), {
    'event-envelope': localIdOf('event-envelope'),
    'recorded-fact': localIdOf('recorded-fact'),
    'dead-letter': localIdOf('dead-letter'),
  });
}

/** Registers the schemas (FULL_TRANSITIVE) and uses the registry's ids. */
export async function createRegistryCodec(registryUrl: string): Promise<Codec> {
  const registry = new SchemaRegistry({ host: registryUrl }, {});
  const ids: Record<SchemaName, number> = {
    'event-envelope': 0,
    'recorded-fact': 0,
    'dead-letter': 0,
  };
  const table = localTable();
  for (const { name, schema } of readHistory()) {
    // In the order of release; the last one is the schema of this build.
    const id = await register(registry, name, schema);
    ids[name] = id;
    table.set(id, schema);
  }
  return codecOf(table, ids, fetcherOf(registry));
}

/**
 * For a start while the registry is away: writes with the ids that it gave the same schemas before.
 * They never change: a registry gives an id once.
 */
export function createKnownCodec(
  registryUrl: string,
  ids: Readonly<Record<SchemaName, number>>,
): Codec {
  const table = localTable();
  for (const { name, schema } of readHistory()) table.set(ids[name], schema);
  return codecOf(table, ids, fetcherOf(new SchemaRegistry({ host: registryUrl }, {})));
}

const fetcherOf =
  (registry: SchemaRegistry): FetchSchema =>
  async (id) => {
    const found: unknown = await registry.getSchema(id).catch((thrown: unknown) => {
      throw fetchFault(id, toError(thrown));
    });
    const schema: unknown = JSON.parse(JSON.stringify(found));
    if (typeof schema !== 'object' || schema === null) throw unknownSchema(id);
    return schema;
  };

/** Processes that start together register the same schema; all but one may be told of a conflict. */
const attempts = { most: 6, firstPauseMs: 40 } as const;

async function register(registry: SchemaRegistry, name: string, schema: object): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await registerOnce(registry, name, schema);
    } catch (thrown) {
      const error = toError(thrown);
      const isRefused = error instanceof TrunklineError && error.code === 'schema_incompatible';
      // Between its registration and its setting by another process a subject has the default one; of two
      // that set it at once a registry may tell the later one that it is there already.
      const isUnset = /does not match the configuration|already exists/.test(error.message);
      if ((isRefused && !isUnset) || attempt === attempts.most) throw error;
      await delay(attempts.firstPauseMs * 2 ** attempt * (0.5 + Math.random()));
    }
  }
}

async function registerOnce(
  registry: SchemaRegistry,
  name: string,
  schema: object,
): Promise<number> {
  try {
    const confluent = { type: SchemaType.AVRO as const, schema: JSON.stringify(schema) };
    // Compatibility on every call: the client compares it with BACKWARD otherwise.
    const options = { compatibility: COMPATIBILITY.FULL_TRANSITIVE, subject: `trunkline.${name}` };
    return (await registry.register(confluent, options)).id;
  } catch (thrown) {
    const cause = toError(thrown);
    const refused = /compatib/i.test(cause.message);
    throw new TrunklineError(
      refused ? 'schema_incompatible' : 'service_unreachable',
      `the schema registry did not take trunkline.${name}: ${cause.message}`,
      { cause },
    );
  }
}

const localTable = (): Map<number, object> =>
  new Map(readHistory().map(({ number, schema }) => [localId(number), schema]));

function localIdOf(name: SchemaName): number {
  const last = readHistory().findLast((version) => version.name === name);
  if (last === undefined) throw new Error(`no released schema of ${name}`);
  return localId(last.number);
}

const unknownSchema = (id: number): TrunklineError =>
  new TrunklineError('schema_unknown', `schema id ${id} is in no table of this process`);

/** The client gives every answer but 404 to a registry that is away: asking again may help. */
function fetchFault(id: number, cause: Error & { readonly status?: number }): TrunklineError {
  if (cause.status === 404) return unknownSchema(id);
  const detail = `the schema registry does not give schema ${id}`;
  return new TrunklineError('service_unreachable', detail, { cause });
}

type FetchSchema = (id: number) => Promise<object>;

const refuseFetch: FetchSchema = (id) => Promise.reject(unknownSchema(id));

function codecOf(
  table: Map<number, object>,
  ids: Readonly<Record<SchemaName, number>>,
  fetchSchema: FetchSchema = refuseFetch,
): Codec {
  const events = port('event-envelope', ids, table);
  const facts = port('recorded-fact', ids, table);
  const letters = port('dead-letter', ids, table);
  return {
    encodeEvent: (event) => events.encode(toWire(event)),
    decodeEvent: (value) => fromWire(events.decode(value) as WireEvent),
    encodeFact: (fact) => facts.encode(bytesOf(fact)),
    encodeFactAround: (fact, boxBytes) => facts.encodeAround(withoutBox(fact), boxBytes),
    decodeFact: (value) => ({ ...(facts.decode(value) as RecordedFact) }),
    encodeDeadLetter: (letter) => letters.encode(letter),
    decodeDeadLetter: (value) => ({ ...(letters.decode(value) as DeadLetter) }),
    learn: learner(table, fetchSchema),
    schemaIds: ids,
  };
}

// Field by field, on the hot path: see `toWire`.
const withoutBox = (fact: Omit<RecordedFact, 'sealed'>): RecordedFact => ({
  tenant: fact.tenant,
  endpoint: fact.endpoint,
  provider: fact.provider,
  deliveryId: fact.deliveryId,
  receivedAt: fact.receivedAt,
  correlationId: fact.correlationId,
  traceId: fact.traceId,
  schemaVersion: fact.schemaVersion,
  mappingVersion: fact.mappingVersion,
  dayKey: fact.dayKey,
  sealed: nothing,
});

/** avsc takes bytes as a Buffer only; a view, not a copy. */
function bytesOf(fact: RecordedFact): RecordedFact {
  const { sealed } = fact;
  if (Buffer.isBuffer(sealed)) return fact;
  return { ...fact, sealed: Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength) };
}

function learner(table: Map<number, object>, fetchSchema: FetchSchema): Codec['learn'] {
  const underWay = new Map<number, Promise<void>>();
  const fetchOnce = (id: number): Promise<void> => {
    const running = underWay.get(id);
    if (running !== undefined) return running;
    const fetching = fetchSchema(id)
      .then((schema) => void table.set(id, schema))
      .finally(() => underWay.delete(id));
    underWay.set(id, fetching);
    return fetching;
  };
  return (values) => {
    const wanted = new Set<number>();
    for (const value of values) {
      if (value === null || value.length < headerBytes) continue;
      const id = value.readUInt32BE(1);
      if (!table.has(id)) wanted.add(id);
    }
    return wanted.size === 0 ? null : Promise.all([...wanted].map(fetchOnce)).then(() => undefined);
  };
}

const headerBytes = 5;

/** Encodes with the schema of this build, decodes from the writer's, with one resolver per id. */
function port(
  name: SchemaName,
  ids: Readonly<Record<SchemaName, number>>,
  table: ReadonlyMap<number, object>,
) {
  const reader = typeOf(currentSchemas[name]);
  const resolvers = new Map<number, avsc.Resolver | undefined>([[ids[name], undefined]]);
  const resolverOf = (id: number): avsc.Resolver | undefined => {
    const schema = table.get(id);
    if (schema === undefined) throw unknownSchema(id);
    const writer = typeOf(schema);
    const resolver = writer.equals(reader) ? undefined : reader.createResolver(writer);
    resolvers.set(id, resolver);
    return resolver;
  };
  let scratch = Buffer.alloc(64 * 1024);
  /** Writes into `scratch`, which grows; the end. */
  const written = (value: object): number => {
    let end = write(reader, value, scratch);
    if (end < 0) {
      scratch = Buffer.alloc(2 * (scratch.length - end));
      end = write(reader, value, scratch);
    }
    scratch.writeUInt32BE(ids[name], 1);
    return end;
  };
  return {
    encode(value: object): Buffer {
      const end = written(value);
      return Buffer.from(scratch.subarray(0, end));
    },
    /** A value whose last field is of bytes, and empty: its length is rewritten, and room made behind. */
    encodeAround(value: object, boxBytes: number): FactBytes {
      const headEnd = written(value) - 1;
      const boxAt = writeLength(scratch, headEnd, boxBytes);
      const around = Buffer.allocUnsafe(boxAt + boxBytes);
      scratch.copy(around, 0, 0, boxAt);
      return { value: around, box: around.subarray(boxAt) };
    },
    decode(value: Buffer): unknown {
      if (value.length < headerBytes || value[0] !== 0) throw unreadable('no schema id');
      const id = value.readUInt32BE(1);
      const resolver = resolvers.has(id) ? resolvers.get(id) : resolverOf(id);
      return read(reader, value, resolver);
    },
  };
}

const nothing = Buffer.alloc(0);

/** A length as Avro writes a long; the end of it. There is always room: a scratch is 64 KiB at least. */
function writeLength(into: Buffer, start: number, length: number): number {
  let at = start;
  let rest = length * 2;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) into[at++] = (rest % 128) | 0x80;
  into[at++] = rest;
  return at;
}

/** The end of what was written, or negative: how many bytes the buffer lacks. */
function write(type: avsc.Type, value: object, into: Buffer): number {
  try {
    return type.encode(value, into, headerBytes);
  } catch (thrown) {
    // The message of avsc quotes the value: only its kind goes on.
    throw new TrunklineError('value_unreadable', `not a value of ${type.name ?? 'its schema'}`, {
      cause: withoutValue(thrown),
    });
  }
}

/** Which type was wrong, without the value: `invalid "long": …` becomes `invalid "long"`. */
const withoutValue = (thrown: unknown): Error =>
  new Error(/^invalid "[^"]*"/.exec(toError(thrown).message)?.[0] ?? 'invalid value');

function read(reader: avsc.Type, value: Buffer, resolver: avsc.Resolver | undefined): unknown {
  let result;
  try {
    result = reader.decode(value, headerBytes, resolver);
  } catch (thrown) {
    throw unreadable('not a value of its schema', withoutValue(thrown));
  }
  if (result.offset !== value.length) throw unreadable('cut off or too long');
  return result.value;
}

const unreadable = (detail: string, cause?: Error): TrunklineError =>
  new TrunklineError('value_unreadable', detail, cause === undefined ? {} : { cause });

type BodyOf<K extends EventBody['kind']> = Omit<Extract<EventBody, { kind: K }>, 'kind'>;

/** The envelope as the schema has it: the body in one of six fields. */
interface WireEvent extends Omit<EventEnvelope, 'body'> {
  readonly call: BodyOf<'call'> | null;
  readonly message: BodyOf<'message'> | null;
  readonly notUnderstood: BodyOf<'not_understood'> | null;
  readonly parked: BodyOf<'parked'> | null;
  readonly record: BodyOf<'record'> | null;
  readonly act: BodyOf<'act'> | null;
}

// Field by field, on the hot path: spreading the rest of an object costs as much as encoding it.
function toWire(event: EventEnvelope): WireEvent {
  const { body } = event;
  return {
    schemaVersion: event.schemaVersion,
    tenant: event.tenant,
    seq: event.seq,
    epoch: event.epoch,
    owner: event.owner,
    covered: event.covered,
    eventId: event.eventId,
    factId: event.factId,
    provider: event.provider,
    occurredAt: event.occurredAt,
    receivedAt: event.receivedAt,
    correlationId: event.correlationId,
    traceId: event.traceId,
    ruleVersions: event.ruleVersions,
    call: body.kind === 'call' ? body : null,
    message: body.kind === 'message' ? body : null,
    notUnderstood: body.kind === 'not_understood' ? body : null,
    parked: body.kind === 'parked' ? body : null,
    record: body.kind === 'record' ? body : null,
    act: body.kind === 'act' ? body : null,
  };
}
function fromWire(wire: WireEvent): EventEnvelope {
  return {
    tenant: wire.tenant,
    eventId: wire.eventId,
    factId: wire.factId,
    provider: wire.provider,
    occurredAt: wire.occurredAt,
    receivedAt: wire.receivedAt,
    correlationId: wire.correlationId,
    traceId: wire.traceId,
    ruleVersions: wire.ruleVersions,
    body: bodyOf(wire),
    schemaVersion: wire.schemaVersion,
    seq: wire.seq,
    epoch: wire.epoch,
    owner: wire.owner,
    covered: wire.covered,
  };
}

function bodyOf({ call, message, record, notUnderstood, parked, act }: WireEvent): EventBody {
  if (call !== null) {
    const { fact } = call;
    if (fact === null) return { ...call, kind: 'call' };
    return { ...call, kind: 'call', fact: { ...fact, signal: signalOf(fact.signal) } };
  }
  if (message !== null) return { ...message, kind: 'message' };
  if (record !== null) return { ...record, kind: 'record' };
  if (notUnderstood !== null) return { ...notUnderstood, kind: 'not_understood' };
  if (parked !== null) return { ...parked, kind: 'parked' };
  if (act !== null) return { ...act, kind: 'act' };
  throw unreadable('an event without a body');
}

/** The schema has the fields of all signals; a signal keeps its own. */
function signalOf(wire: CallSignal | TimerSignal): CallSignal | TimerSignal {
  switch (wire.type) {
    case 'status':
      return { type: 'status', status: wire.status, cause: wire.cause, reason: wire.reason };
    case 'hangup':
      return { type: 'hangup', cause: wire.cause };
    case 'note':
      return { type: 'note', name: wire.name };
    case 'timer':
      return { type: 'timer', name: wire.name, reason: wire.reason };
  }
}
