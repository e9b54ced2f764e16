// Ingest, providers: reading JSON of a provider without trusting its shape. What is not there, or is of
// another type, reads as null.

export type JsonObject = Readonly<Record<string, unknown>>;

/** The value as an object; null for arrays and everything else. */
export function asObject(value: unknown): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : null;
}

/** Parses JSON bytes; null when they are none (JSON `null` reads the same: nothing to map). */
export function parseJson(bytes: Buffer | string): unknown {
  try {
    return JSON.parse(typeof bytes === 'string' ? bytes : bytes.toString('utf8')) as unknown;
  } catch {
    return null;
  }
}

const own = (object: JsonObject | null, name: string): unknown =>
  object !== null && Object.hasOwn(object, name) ? object[name] : undefined;

/** A string field; a number reads as its digits. */
export function textField(object: JsonObject | null, name: string): string | null {
  const value = own(object, name);
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : null;
}

export function objectField(object: JsonObject | null, name: string): JsonObject | null {
  return asObject(own(object, name));
}

export function listField(object: JsonObject | null, name: string): readonly unknown[] {
  const value = own(object, name);
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/** The object without some of its fields; empty for none. */
export function withoutFields(object: JsonObject | null, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object ?? {}).filter(([name]) => !names.includes(name)));
}

/** A number field, or a string of digits and one dot; null for anything else. */
export function numberField(object: JsonObject | null, name: string): number | null {
  const text = textField(object, name);
  return text !== null && /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : null;
}
