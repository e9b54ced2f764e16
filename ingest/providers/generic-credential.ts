// Ingest, providers: how a generic sender signs, as data. Comes in: the endpoint's credential, all of it text.
// Goes out: the key and the scheme that verifies and signs after it, or what is wrong with which field.

import { z } from 'zod';
import {
  hmacTimestampBody,
  planFault,
  type HmacPlan,
  type HmacTimestampBody,
  type SignatureForm,
  type SignedTime,
} from '../schemes/hmac-timestamp-body.js';

const headerName = z
  .string()
  .toLowerCase()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be the name of a header, e.g. x-signature');
const label = z
  .string()
  .max(32)
  .regex(/^[\x21-\x7e]*$/, 'must be printable, without spaces');

const keyBytes = {
  text: (secret: string) => Buffer.from(secret, 'utf8'),
  hex: (secret: string) =>
    /^(?:[0-9a-fA-F]{2})+$/.test(secret) ? Buffer.from(secret, 'hex') : null,
  base64: (secret: string) =>
    /^[A-Za-z0-9+/]+={0,2}$/.test(secret) ? Buffer.from(secret, 'base64') : null,
} as const;

const shape = z.strictObject({
  secret: z.string().min(1, 'must not be empty'),
  secretEncoding: z.enum(['text', 'hex', 'base64']).default('text'),
  signatureHeader: headerName.default('x-signature'),
  /** Stands in front of the signature: `sha256=`. With a separator: in front of each that counts, `v1=`. */
  signaturePrefix: label.default(''),
  /** `,` or a space, where the header holds a list; one signature that matches is enough. */
  signatureSeparator: z.enum([',', ' ', 'comma', 'space']).optional(),
  encoding: z.enum(['hex', 'base64']).default('hex'),
  signedText: z.string().min(1).max(256).optional(),
  timestampHeader: headerName.optional(),
  /** In front of the time, where it is in the list of the signature header: `t=`. */
  timestampPrefix: label.min(1).optional(),
  timestampUnit: z.enum(['s', 'ms', 'auto']).default('auto'),
  toleranceSeconds: z
    .string()
    .regex(/^\d{1,6}$/, 'must be a whole number of seconds, e.g. 300')
    .transform(Number)
    .default(300),
  idHeader: headerName.optional(),
  /** Where in the JSON body the event's id is, e.g. `id` or `event.id`. */
  idPath: z
    .string()
    .regex(/^[\w-]{1,64}(\.[\w-]{1,64}){0,7}$/, 'must be names with dots between, e.g. event.id')
    .default('id'),
});
type Given = z.output<typeof shape>;

function timeOf(given: Given): SignedTime | null {
  const { timestampHeader, timestampPrefix, timestampUnit, toleranceSeconds } = given;
  const window = {
    unit: timestampUnit,
    pastMs: toleranceSeconds * 1000,
    futureMs: toleranceSeconds * 1000,
    isFloored: timestampUnit === 's',
  };
  if (timestampHeader !== undefined) {
    return { ...window, from: { type: 'header', name: timestampHeader } };
  }
  if (timestampPrefix === undefined) return null;
  return { ...window, from: { type: 'element', label: timestampPrefix, pick: 'last' } };
}

function formOf({ signatureSeparator, signaturePrefix }: Given): SignatureForm {
  if (signatureSeparator === undefined) return { type: 'single', prefix: signaturePrefix };
  const separator = signatureSeparator === ',' || signatureSeparator === 'comma' ? ',' : ' ';
  return { type: 'elements', separator, label: signaturePrefix, tried: 'any' };
}

function planOf(given: Given): HmacPlan {
  const time = timeOf(given);
  return {
    algorithm: 'sha256',
    encoding: given.encoding === 'hex' ? 'hex-any-case' : 'base64',
    header: given.signatureHeader,
    form: formOf(given),
    time,
    idHeader: given.idHeader ?? null,
    text: given.signedText ?? (time === null ? '{body}' : '{timestamp}.{body}'),
  };
}

/** What does not fit together, by the field that is to be changed. */
function faultOf(given: Given): readonly [field: keyof Given, message: string] | null {
  const { secretEncoding, signatureSeparator, timestampPrefix, timestampHeader } = given;
  if (keyBytes[secretEncoding](given.secret) === null) {
    return ['secret', `must be ${secretEncoding}, as secretEncoding says`];
  }
  if (timestampPrefix !== undefined && timestampHeader !== undefined) {
    return ['timestampPrefix', 'must not be given beside timestampHeader'];
  }
  if (timestampPrefix !== undefined && signatureSeparator === undefined) {
    return ['timestampPrefix', 'needs a signatureSeparator: it stands in the list of the header'];
  }
  const plan = planOf(given);
  const fault = planFault(plan);
  return fault === null ? null : ['signedText', fault];
}

/** How one generic sender signs. */
export interface GenericCredential {
  readonly key: Buffer;
  readonly scheme: HmacTimestampBody;
  /** Header whose value is signed as the message's id; null where none is. */
  readonly signedIdHeader: string | null;
  readonly idPath: readonly string[];
  /** Whether the URL is signed, with its query. */
  readonly hasUrl: boolean;
}

function credentialOf(given: Given): GenericCredential {
  const plan = planOf(given);
  return {
    key: keyBytes[given.secretEncoding](given.secret) ?? Buffer.alloc(0),
    scheme: hmacTimestampBody(plan),
    signedIdHeader: plan.text.includes('{id}') ? plan.idHeader : null,
    idPath: given.idPath.split('.'),
    hasUrl: plan.text.includes('{url}'),
  };
}

/** Every field is text, as credentials are stored; the algorithm is HMAC-SHA256 and no choice. */
export const genericCredentialSchema = shape
  .superRefine((given, context) => {
    const fault = faultOf(given);
    if (fault === null) return;
    context.addIssue({ code: 'custom', path: [fault[0]], message: fault[1] });
  })
  .transform(credentialOf);
