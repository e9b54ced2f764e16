// Ingest, verification scheme of form and GET requests of Twilio and SignalWire: base64(HMAC-SHA1(secret, URL followed
// by the sorted fields of the body)). Nothing signs a time: replays are the dedupe's business.

import { timingSafeEqual } from 'node:crypto';
import { hmacKeyOf } from '../../runtime/hmac.js';
import { maxFields, parseForm, signedFields, signedTexts, type Repeats } from './form.js';
import { accepted, refuse, signatureHeader, type SignedRequest, type Verdict } from './scheme.js';
import { likeliestUrl, signedUrls } from './signed-url.js';

/** base64 of 20 bytes. */
const shape = /^[A-Za-z0-9+/]{27}=$/;

/** The signature of a URL followed by `appended` (latin1 bytes, see `signedFields`). */
export function signUrl(secret: string, url: string, appended = ''): string {
  const urlBytes = isAscii(url) ? url : Buffer.from(url, 'utf8');
  return hmacKeyOf('sha1', secret).sign([urlBytes, appended], 'base64');
}

const isAscii = (text: string): boolean => !/[^\x00-\x7f]/.test(text);

/**
 * Checks a signature over the URL followed by `appended`, for each form of the URL. Every comparison
 * takes the same time; which form matched is not told.
 */
export function verifyUrl(
  request: SignedRequest,
  header: string,
  secret: string,
  appended: string,
): Verdict {
  const given = signatureHeader(request, header);
  if (typeof given !== 'string') return given;
  if (!shape.test(given)) return refuse('signature_malformed');
  const signature = Buffer.from(given, 'latin1');
  const isOf = (url: string): boolean =>
    timingSafeEqual(Buffer.from(signUrl(secret, url, appended), 'latin1'), signature);
  // The other forms are not even made where the likeliest one is right.
  const likeliest = likeliestUrl(request.url);
  if (isOf(likeliest)) return accepted;
  for (const url of signedUrls(request.url)) if (url !== likeliest && isOf(url)) return accepted;
  return refuse('signature_mismatch');
}

/** Verifies a form POST, or a GET whose URL carries everything. A GET with a body is refused. */
export function verifyFormUrl(
  request: SignedRequest,
  header: string,
  secret: string,
  repeats: Repeats = 'once',
): Verdict {
  if (request.method === 'GET') {
    if (request.body.length > 0) return refuse('body_not_signed');
    return verifyUrl(request, header, secret, '');
  }
  const form = parseForm(request.body);
  if (form.fields.length > maxFields) return refuse('form_too_wide');
  const verdict = verifyUrl(request, header, secret, signedFields(form, repeats));
  if (verdict.ok || verdict.code !== 'signature_mismatch') return verdict;
  const texts = signedTexts(form, repeats);
  return texts === null ? verdict : verifyUrl(request, header, secret, texts);
}
