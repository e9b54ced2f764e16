// Every released schema version (schemas/history), and what makes a new one acceptable. Comes in: files
// named `<number>-<name>.avsc`. Goes out: the local table of schema ids, and faults for the test.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import avsc from 'avsc';
import { packageRoot } from '../runtime/package-root.js';
import { deadLetterSchema } from '../schemas/avro/dead-letter.js';
import { eventEnvelopeSchema } from '../schemas/avro/event-envelope.js';
import { recordedFactSchema } from '../schemas/avro/recorded-fact.js';

/** What has a schema of its own, by file name. */
export type SchemaName = 'event-envelope' | 'recorded-fact' | 'dead-letter';

/** The schemas of this build. */
export const currentSchemas: Readonly<Record<SchemaName, object>> = {
  'event-envelope': eventEnvelopeSchema,
  'recorded-fact': recordedFactSchema,
  'dead-letter': deadLetterSchema,
};

/** Tells builds apart whose schemas differ: an id that was given to others must not be used for these. */
export const schemaFingerprint = (): string =>
  createHash('sha256').update(JSON.stringify(currentSchemas)).digest('hex').slice(0, 16);

/** A schema version as it was released. */
export interface ReleasedSchema {
  /** Number of the file: ascending over all names, never reused. */
  readonly number: number;
  readonly name: SchemaName;
  readonly schema: object;
}

/**
 * Ids of the local table are `TL` in the upper half, so they never meet the small ids of a registry:
 * a log written before a registry was set stays readable after.
 */
export const localId = (number: number): number => 0x544c0000 + number;

const filePattern = /^(\d{4})-([a-z-]+)\.avsc$/;

/** Reads the history, oldest first. Throws when a file is none of ours. */
export function readHistory(
  directory = join(packageRoot(), 'schemas/history'),
): readonly ReleasedSchema[] {
  return readdirSync(directory)
    .sort()
    .map((file) => {
      const [, number, name] = filePattern.exec(file) ?? [];
      if (number === undefined || !isSchemaName(name)) throw new Error(`unknown schema: ${file}`);
      const schema: unknown = JSON.parse(readFileSync(join(directory, file), 'utf8'));
      if (typeof schema !== 'object' || schema === null) throw new Error(`no schema in ${file}`);
      return { number: Number(number), name, schema };
    });
}

const isSchemaName = (name: string | undefined): name is SchemaName =>
  name !== undefined && Object.hasOwn(currentSchemas, name);

/**
 * What is wrong with `current` beside every version ever released: FULL_TRANSITIVE means that it reads
 * all of them and all of them read it; and what is current must be the last released version.
 */
export function historyFaults(
  name: SchemaName,
  current: object,
  history: readonly ReleasedSchema[],
): readonly string[] {
  const released = history.filter((version) => version.name === name);
  const faults: string[] = [];
  for (const version of released) {
    const fault =
      resolveFault(current, version.schema) ?? resolveFault(version.schema, current) ?? null;
    if (fault !== null) faults.push(`${name} against version ${version.number}: ${fault}`);
  }
  const last = released.at(-1);
  if (last === undefined || JSON.stringify(last.schema) !== JSON.stringify(current)) {
    faults.push(`${name} is not the last released version: add it to schemas/history`);
  }
  return faults;
}

function resolveFault(reader: object, writer: object): string | null {
  try {
    typeOf(reader).createResolver(typeOf(writer));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Compiles a schema; the one place that sets how values look: unions unwrapped, longs exact. */
export function typeOf(schema: object): avsc.Type {
  // The schema boundary: avsc checks the schema itself.
  return avsc.Type.forSchema(schema as avsc.Schema, {
    omitRecordMethods: true,
    typeHook: (part) => (part === 'long' ? new ExactLong() : undefined),
  });
}

type WriteLong = (tap: object, value: unknown) => void;
const { _write: writeLong } = avsc.types.LongType.prototype as unknown as { _write: WriteLong };

/** avsc writes a long below -2^52 as another number without a word (its zigzag loses the last bit). */
class ExactLong extends avsc.types.LongType {
  _write(tap: object, value: unknown): void {
    if (typeof value !== 'number' || value < -(2 ** 52)) throw new Error('invalid "long"');
    writeLong.call(this, tap, value);
  }
}
