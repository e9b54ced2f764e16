// Simulator: signs what a provider would send, the way the provider does. Content, URL, credential and
// clock come in; a request that a correct receiver accepts goes out. Pure.

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto';
import { parseQuery, parseForm, signedFields } from '../../ingest/schemes/form.js';
import { signedMessage, strictBase64 } from '../../ingest/schemes/ed25519-timestamp.js';
import { signUrl } from '../../ingest/schemes/hmac-sha1-form-url.js';
import { digestOf, digestParameter } from '../../ingest/schemes/hmac-sha1-url-body-digest.js';

/** A request ready to be sent. `url` is the one that was signed. */
export interface SignedWebhook {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface TwilioSigner {
  readonly authToken: string;
  readonly accountSid: string;
}

export interface TelnyxSigner {
  /** 32-byte Ed25519 seed, base64. The receiver has the public key only. */
  readonly privateKeyBase64: string;
}

const formType = 'application/x-www-form-urlencoded; charset=UTF-8';

/** A Twilio form POST. */
export function signTwilioForm(
  url: string,
  fields: Readonly<Record<string, string>>,
  authToken: string,
): SignedWebhook {
  return signTwilioBody(url, Buffer.from(new URLSearchParams(fields).toString()), authToken);
}

/** A Twilio form POST of a body that is encoded already. */
export function signTwilioBody(url: string, body: Buffer, authToken: string): SignedWebhook {
  const signature = signUrl(authToken, url, signedFields(parseForm(body)));
  const headers = {
    'content-type': formType,
    'user-agent': 'TwilioProxy/1.1',
    'x-twilio-signature': signature,
  };
  return { method: 'POST', url, headers, body };
}

/** A Twilio GET: the URL carries everything. */
export function signTwilioGet(url: string, authToken: string): SignedWebhook {
  const headers = {
    'user-agent': 'TwilioProxy/1.1',
    'x-twilio-signature': signUrl(authToken, url),
  };
  return { method: 'GET', url, headers, body: Buffer.alloc(0) };
}

function withoutDigest(url: string): string {
  if (!parseQuery(url).values.has(digestParameter)) return url;
  const [path = '', query = ''] = url.split('?', 2);
  const kept = query.split('&').filter((pair) => !pair.startsWith(`${digestParameter}=`));
  return kept.length === 0 ? path : `${path}?${kept.join('&')}`;
}

/** A Twilio JSON POST: the URL gets `bodySHA256` and is signed alone. */
export function signTwilioJson(url: string, body: Buffer, authToken: string): SignedWebhook {
  const base = withoutDigest(url);
  const separator = base.includes('?') ? '&' : '?';
  const signed = `${base}${separator}${digestParameter}=${digestOf(body)}`;
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'TwilioProxy/1.1',
    'x-twilio-signature': signUrl(authToken, signed),
  };
  return { method: 'POST', url: signed, headers, body };
}

const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const privateKeys = new Map<string, KeyObject>();

function privateKey(base64: string): KeyObject {
  const known = privateKeys.get(base64);
  if (known !== undefined) return known;
  const seed = strictBase64(base64, 32);
  if (seed === null) throw new RangeError('the private key must be 32 bytes in base64');
  const der = Buffer.concat([pkcs8Prefix, seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  privateKeys.set(base64, key);
  return key;
}

/** A Telnyx POST, signed at `nowMs`. */
export function signTelnyx(
  url: string,
  body: Buffer,
  privateKeyBase64: string,
  nowMs: number,
): SignedWebhook {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signature = sign(null, signedMessage(timestamp, body), privateKey(privateKeyBase64));
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'telnyx-webhooks',
    'telnyx-timestamp': timestamp,
    'telnyx-signature-ed25519': signature.toString('base64'),
  };
  return { method: 'POST', url, headers, body };
}

/** The public key an endpoint needs to verify what `privateKeyBase64` signs. */
export function telnyxPublicKey(privateKeyBase64: string): string {
  const spki = createPublicKey(privateKey(privateKeyBase64)).export({
    format: 'der',
    type: 'spki',
  });
  return spki.subarray(-32).toString('base64');
}

/** A fresh private key for simulated traffic. */
export function newTelnyxKey(): string {
  const { privateKey: key } = generateKeyPairSync('ed25519');
  return key.export({ format: 'der', type: 'pkcs8' }).subarray(-32).toString('base64');
}
