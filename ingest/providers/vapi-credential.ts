// Ingest, providers, Vapi: its credential schemes. A stored credential comes in; the plan it describes, and
// what a request is judged by, goes out (provider sheet, section 13; HmacAuthenticationPlan of
// @vapi-ai/server-sdk 2.0.1).

import { z } from 'zod';
import {
  hmacTimestampBody,
  planFault,
  type HmacKey,
  type HmacPlan,
  type HmacTimestampBody,
} from '../schemes/hmac-timestamp-body.js';
import { refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { verifySharedSecret, type SharedSecretRules } from '../schemes/shared-secret-header.js';

export const legacyRules: SharedSecretRules = { header: 'x-vapi-secret', form: 'bare' };
export const bearerRules: SharedSecretRules = { header: 'authorization', form: 'bearer' };

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must be a header name')
  .transform((name) => name.toLowerCase());
/** Stored values are texts. */
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

const fields = z.object({
  hmacSecret: z.string().min(1).optional(),
  bearerToken: z.string().min(1).optional(),
  legacySecret: z.string().min(1).optional(),
  algorithm: z.enum(['sha256', 'sha512', 'sha1']).default('sha256'),
  signatureHeader: headerName.default('x-signature'),
  timestampHeader: headerName.default('x-timestamp'),
  messageIdHeader: headerName.optional(),
  signaturePrefix: z.string().default(''),
  includeTimestamp: flag.default(true),
  payloadFormat: z.string().optional(),
  signatureEncoding: z.enum(['hex', 'base64']).default('hex'),
  secretIsBase64: flag.default(false),
});
type Fields = z.output<typeof fields>;

/** Vapi publishes no window and no unit: five minutes both ways, seconds or milliseconds. */
const windowMs = 300_000;

/** What Vapi signs: `{svix-id}` is the message id; without a format, time and body or the body alone. */
function textOf({ payloadFormat, includeTimestamp }: Fields): string {
  return payloadFormat === undefined
    ? includeTimestamp
      ? '{timestamp}.{body}'
      : '{body}'
    : payloadFormat.replaceAll('{svix-id}', '{id}');
}

function planOf(of: Fields): HmacPlan {
  const text = textOf(of);
  const from = { type: 'header', name: of.timestampHeader } as const;
  const time = {
    from,
    unit: 'auto',
    pastMs: windowMs,
    futureMs: windowMs,
    isFloored: true,
  } as const;
  return {
    algorithm: of.algorithm,
    encoding: of.signatureEncoding,
    header: of.signatureHeader,
    form: { type: 'single', prefix: of.signaturePrefix },
    time: text.includes('{timestamp}') ? time : null,
    idHeader: text.includes('{id}') ? (of.messageIdHeader ?? 'svix-id') : null,
    text,
  };
}

interface Hmac {
  readonly scheme: HmacTimestampBody;
  readonly key: HmacKey;
  /** A request with this header is judged by its signature and by nothing else. */
  readonly header: string;
}

export interface VapiCredential {
  readonly hmac: Hmac | null;
  readonly bearerToken: string | null;
  readonly legacySecret: string | null;
}

function hmacOf(of: Fields): Hmac | null {
  if (of.hmacSecret === undefined) return null;
  const key = of.secretIsBase64 ? Buffer.from(of.hmacSecret, 'base64') : of.hmacSecret;
  return { scheme: hmacTimestampBody(planOf(of)), key, header: of.signatureHeader };
}

/** Canonical base64, with or without padding, standard or URL alphabet. */
function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(text) && Buffer.from(text, 'base64').length > 0;
}

export const credentialSchema: z.ZodType<VapiCredential> = fields
  .superRefine((of, context) => {
    const fail = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if ((of.hmacSecret ?? of.bearerToken ?? of.legacySecret) === undefined) {
      fail('hmacSecret', 'is missing: give hmacSecret, bearerToken or legacySecret');
    }
    if (of.secretIsBase64 && of.hmacSecret !== undefined && !isBase64(of.hmacSecret)) {
      fail('hmacSecret', 'must be base64 where secretIsBase64 is true');
    }
    const fault = planFault(planOf(of));
    if (fault !== null) fail('payloadFormat', fault);
  })
  .transform((of) => ({
    hmac: hmacOf(of),
    bearerToken: of.bearerToken ?? null,
    legacySecret: of.legacySecret ?? null,
  }));

/**
 * Judges by the strongest that is there. A request that carries a signature is never judged by a secret
 * in the clear instead: who could strip or spoil it would choose the weaker lock.
 */
export function verifyVapi(
  request: SignedRequest,
  { hmac, bearerToken, legacySecret }: VapiCredential,
  nowMs: number,
): Verdict {
  const { headers } = request;
  if (hmac !== null && headers.has(hmac.header)) {
    return hmac.scheme.verify(request, hmac.key, nowMs);
  }
  if (legacySecret !== null && headers.has(legacyRules.header)) {
    return verifySharedSecret(request, legacyRules, legacySecret);
  }
  return bearerToken !== null && headers.has(bearerRules.header)
    ? verifySharedSecret(request, bearerRules, bearerToken)
    : refuse('signature_missing');
}
