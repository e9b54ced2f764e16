// Gateway: parameters that several routes take, as zod schemas.

import { z } from 'zod';

import { callStatuses, messageStatuses, recordAreas } from '../../schemas/facts.js';

/** Page size; `next` of the answer leads on. */
export const limit = z.coerce
  .number('must be a whole number')
  .int('must be a whole number')
  .min(1)
  .max(200)
  .default(50);
/** Opaque; only for the same tenant and filters. */
export const cursor = z.string().max(1024).optional();
/** Waits until the answer holds everything up to this seq: read your own writes. */
export const atLeast = z.coerce
  .number('must be a seq')
  .int('must be a seq')
  .nonnegative()
  .optional();
/** An offset of `deliveries`, as a 202 names it: waits until the answer holds what that fact brought. */
export const atLeastFact = z.coerce
  .number('must be an offset')
  .int('must be an offset')
  .nonnegative()
  .optional();
export const direction = z.enum(['inbound', 'outbound']).optional();
/** RFC 3339, with a zone. */
export const instant = z.iso
  .datetime({ offset: true, error: 'must be a time as in RFC 3339, e.g. 2026-01-31T09:30:00Z' })
  .optional();
/** A whole number of a party; needs the permission to see numbers. A `+` may have arrived as a space. */
export const number = z
  .string()
  .min(2)
  .max(128)
  .transform((text) => text.replace(/^ /, '+'))
  .optional();

/** One or several of `names`, separated by commas or repeated. */
export const listOf = <const N extends readonly [string, ...string[]]>(names: N) =>
  z
    .string()
    .max(200)
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(names)))
    .optional();

export const callStatus = listOf(callStatuses);
export const messageStatus = listOf(messageStatuses);

/** One area of records, e.g. `billing`. */
export const area = z.enum(recordAreas).optional();
/** A type of objects as records name it, e.g. `subscription`. */
export const objectType = z
  .string()
  .regex(/^[\w.-]{1,80}$/)
  .optional();
/** A provider's id of an object. */
export const objectRef = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/)
  .optional();

/** A name without spaces: an error code, a provider, an id. */
export const word = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/)
  .optional();

/** An id in a path. */
export const id = z.string().regex(/^[\x21-\x7e]{1,200}$/);

/** Ms since 1970 of an instant that has passed its schema. */
export const msOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Date.parse(text);
