// Ingest, why a signature failed: forms as they may have been signed. Comes in: the text of a body. Goes out:
// the same form before it was decoded, encoded, ordered or emptied on the way.

import type { BodyChange } from './body-changes.js';
import { asForm, looksLikeJson } from './json-text.js';

const formType = 'application/x-www-form-urlencoded';
const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8');

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const pairsOf = (text: string): string[] => text.split('&').filter((pair) => pair !== '');

/** Each name and value decoded as a form and encoded by `encode`. */
function reencoded(text: string, encode: (part: string) => string): string {
  const parts = [...new URLSearchParams(text)].map(
    ([name, value]) => `${encode(name)}=${encode(value)}`,
  );
  return parts.join('&');
}

const strict = (part: string): string =>
  encodeURIComponent(part).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );

function* encodings(text: string): Generator<BodyChange> {
  const change = (value: string): BodyChange => ({
    cause: 'body_form_encoding',
    value: utf8(value),
  });
  // A number `+1…` whose `%2B` was decoded: the plus now reads as a blank.
  yield change(text.replaceAll('+', '%2B'));
  yield change(text.replaceAll('=+', '=%2B'));
  yield change(text.replaceAll('=%20', '=%2B').replaceAll('=+', '=%2B'));
  if (text.includes('%'))
    yield change(decoded(text.replaceAll('%26', '%2526').replaceAll('%3D', '%253D')));
  yield change(text.replaceAll('%', '%25'));
  yield change(text.replaceAll('+', '%20'));
  yield change(text.replaceAll('%20', '+'));
  yield change(new URLSearchParams(text).toString());
  yield change(reencoded(text, encodeURIComponent));
  yield change(reencoded(text, strict));
  yield change(reencoded(text, (part) => strict(part).replaceAll('%20', '+')));
  yield change(text.replace(/%[0-9a-f]{2}/gi, (code) => code.toLowerCase()));
  yield change(text.replace(/%[0-9a-f]{2}/gi, (code) => code.toUpperCase()));
}

// What the Twilio family sends empty where it knows nothing (twilio.com/docs/voice/twiml, messaging/guides
// webhook-request): middlewares that drop empty fields drop these.
const places = ['City', 'State', 'Zip', 'Country'];
const geography = (parties: readonly string[]): string[] =>
  parties.flatMap((party) => places.map((place) => `${party}${place}`));
const emptied: readonly (readonly string[])[] = [
  ['Body'],
  geography(['To']),
  geography(['From']),
  geography(['From', 'To']),
  geography(['From', 'To', 'Caller', 'Called']),
  geography(['To', 'Called']),
  geography(['From', 'Caller']),
  [...geography(['From', 'To']), 'Body'],
  [...geography(['To']), 'Body'],
  [...geography(['From']), 'Body'],
  ['ToZip'],
  ['FromZip'],
  ['ToCity', 'ToZip'],
  ['FromCity', 'FromZip'],
  ['ToCity', 'ToState', 'ToZip'],
  ['FromCity', 'FromState', 'FromZip'],
  ['ForwardedFrom'],
  ['CallerName'],
  ['ErrorCode'],
  ['ErrorCode', 'ErrorMessage'],
];

function* withEmptied(text: string): Generator<BodyChange> {
  const names = new Set(new URLSearchParams(text).keys());
  for (const group of emptied) {
    const absent = group.filter((name) => !names.has(name));
    if (absent.length === 0) continue;
    const value = utf8([text, ...absent.map((name) => `${name}=`)].join('&'));
    yield { cause: 'body_form_emptied', value };
  }
}

/** Forms that may have been signed instead of `text`, which may be the JSON a form was turned into. */
export function* formBodies(text: string): Generator<BodyChange> {
  if (looksLikeJson(text)) {
    const form = asForm(text);
    if (form !== null) yield { cause: 'body_converted', value: utf8(form), type: formType };
    return;
  }
  if (!text.includes('=')) return;
  yield* encodings(text);
  const pairs = pairsOf(text);
  yield { cause: 'body_form_order', value: utf8([...pairs].sort().join('&')) };
  yield { cause: 'body_form_order', value: utf8([...pairs].reverse().join('&')) };
  yield* withEmptied(text);
}
