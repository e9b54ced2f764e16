// Ingest, verification scheme of Bandwidth: `Authorization: Basic` (RFC 7617). It says who calls; the body is
// bound by nothing, so what it tells is as trustworthy as the way it came.

import { hash, timingSafeEqual } from 'node:crypto';
import { accepted, refuse, signatureHeader, type SignedRequest, type Verdict } from './scheme.js';

const header = 'authorization';
/** The scheme's name in any case (RFC 9110, 11.1), then padded base64. */
const shape = /^Basic +([A-Za-z0-9+/]*={0,2})$/i;

export interface BasicCredential {
  /** Without a colon. */
  readonly user: string;
  readonly password: string;
}

const tokenOf = ({ user, password }: BasicCredential): string =>
  Buffer.from(`${user}:${password}`, 'utf8').toString('base64');

/** The value of the header. */
export const signBasic = (credential: BasicCredential): string => `Basic ${tokenOf(credential)}`;

/** Digests are compared, so that the time tells neither a byte nor a length. */
function isSame(given: string, expected: string): boolean {
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', expected, 'buffer'));
}

/** Whether the request carries exactly this user and password. */
export function verifyBasic(request: SignedRequest, credential: BasicCredential): Verdict {
  const given = signatureHeader(request, header);
  if (typeof given !== 'string') return given;
  const token = shape.exec(given)?.[1];
  if (token === undefined) return refuse('signature_malformed');
  return isSame(token, tokenOf(credential)) ? accepted : refuse('signature_mismatch');
}
