// Ingest, verification scheme of Plivo, version 3: base64(HMAC-SHA256(token, what was called + "." + nonce)).
// The nonce is no time: replays are the dedupe's business. Version 2, which covers no field, is refused.
//
//   POST with fields      scheme://host[:port]/path?<query>[.]<fields>   the ? stands there without a query too
//   GET, or no fields     scheme://host[:port]/path[?<query>]
//
// <query>: decoded name=value, sorted and joined by &, and a dot behind it where fields follow.
// <fields>: decoded names and values, sorted, without any delimiter.   (plivo@4.79.0 utils/v3Security.js)

import { timingSafeEqual } from 'node:crypto';
import { hmacKeyOf } from '../../runtime/hmac.js';
import {
  maxFields,
  parseForm,
  parseQuery,
  signedFields,
  signedTexts,
  sortedFields,
} from './form.js';
import { accepted, refuse, type Refusal, type SignedRequest, type Verdict } from './scheme.js';

export interface UrlNonceHeaders {
  /** Each may hold a signature, or several joined by commas while several tokens are active. */
  readonly signatures: readonly string[];
  readonly nonce: string;
  /** Of a version that does not cover the fields. */
  readonly olderSignature: string;
}

/** base64 of 32 bytes. */
const shape = /^[A-Za-z0-9+/]{43}=$/;

/** More than any account has tokens; nobody gets more compared. */
const maxSignatures = 16;

/** What is called without user and fragment, and the decoded query in order. */
interface Called {
  readonly base: string;
  readonly query: string;
}

const parts = /^([a-z][a-z0-9+.-]*:\/\/)(?:[^/?#]*@)?([^?#]*)/i;

const latin1Of = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

function calledUrl(url: string): Called {
  const [, scheme = '', rest = url] = parts.exec(url) ?? [];
  if (!url.includes('?')) return { base: latin1Of(scheme + rest), query: '' };
  const fields = sortedFields(parseQuery(url), 'sorted');
  const query = fields.map(({ name, value }) => `${name}=${value}`).join('&');
  return { base: latin1Of(scheme + rest), query: latin1Of(query) };
}

/** The signature of a request with these fields (latin1, see `signedFields`). */
function signatureOf(
  { base, query }: Called,
  fields: string,
  nonce: string,
  token: string,
): string {
  const mark = query === '' && fields === '' ? '' : '?';
  const dot = query !== '' && fields !== '' ? '.' : '';
  const text = `${base}${mark}${query}${dot}${fields}.`;
  return hmacKeyOf('sha256', token).sign([text, Buffer.from(nonce, 'utf8')], 'base64');
}

/** Every signature that was sent, each once; or why there is none to compare. */
function givenSignatures(
  request: SignedRequest,
  headers: UrlNonceHeaders,
): readonly string[] | Refusal {
  const given: string[] = [];
  for (const name of headers.signatures) {
    const value = request.headers.get(name) ?? '';
    if (value === '') continue;
    for (const one of value.includes(',') ? value.split(',') : [value]) {
      const signature = one.trim();
      if (!given.includes(signature)) given.push(signature);
      if (given.length > maxSignatures) return refuse('signature_malformed');
    }
  }
  if (given.length === 0) {
    const isOlder = request.headers.has(headers.olderSignature);
    return refuse(isOlder ? 'body_not_signed' : 'signature_missing');
  }
  return given.every((one) => shape.test(one)) ? given : refuse('signature_malformed');
}

/** Every signature is compared, so that the time does not tell which of them was right. */
function isAmong(given: readonly string[], expected: string): boolean {
  const right = Buffer.from(expected, 'latin1');
  let isFound = false;
  for (const one of given) {
    if (timingSafeEqual(Buffer.from(one, 'latin1'), right)) isFound = true;
  }
  return isFound;
}

/** Verifies a form POST, or a GET whose URL carries everything. A GET with a body is refused. */
export function verifyUrlNonce(
  request: SignedRequest,
  headers: UrlNonceHeaders,
  token: string,
): Verdict {
  if (request.method === 'GET' && request.body.length > 0) return refuse('body_not_signed');
  const given = givenSignatures(request, headers);
  if ('ok' in given) return given;
  const nonce = request.headers.get(headers.nonce) ?? '';
  if (nonce === '') return refuse('nonce_missing');
  const form = parseForm(request.body);
  if (form.fields.length > maxFields) return refuse('form_too_wide');
  const called = calledUrl(request.url);
  const isSignedOver = (fields: string): boolean =>
    isAmong(given, signatureOf(called, fields, nonce, token));
  if (isSignedOver(signedFields(form, 'sorted'))) return accepted;
  const texts = signedTexts(form, 'sorted');
  return texts !== null && isSignedOver(texts) ? accepted : refuse('signature_mismatch');
}

/** The signature of a request with the token of the account. */
export function signUrlNonce(
  request: Pick<SignedRequest, 'url' | 'body'>,
  nonce: string,
  token: string,
): string {
  const fields = signedFields(parseForm(request.body), 'sorted');
  return signatureOf(calledUrl(request.url), fields, nonce, token);
}
