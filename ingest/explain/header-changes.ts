// Ingest, why a signature failed: headers as they may have been sent. Comes in: the headers that arrived and
// the names the provider signs by. Goes out: the same with one thing taken back that happens on the way.

import type { Change } from './change.js';

type Headers = ReadonlyMap<string, string>;

const maxLength = 8192;

const withHeader = (headers: Headers, name: string, value: string | null): Headers => {
  const changed = new Map(headers);
  if (value === null) changed.delete(name);
  else changed.set(name, value);
  return changed;
};

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A signature that was trimmed, quoted, encoded or wrapped on the way. */
function* altered(text: string): Generator<string> {
  yield text.trim();
  yield text.trim().replace(/^(["'])(.*)\1$/, '$2');
  yield decoded(text);
  // `+` of base64, read as a blank of a form.
  yield text.trim().replaceAll(' ', '+');
  yield text.replace(/\s+/g, '');
  yield text.replace(/^(?:bearer|basic)\s+/i, '');
  yield `Bearer ${text}`;
}

/** The values of a header that came several times; a receiver joins them. */
const repeated = (text: string): string[] =>
  text.includes(',') ? [...new Set(text.split(',').map((part) => part.trim()))].slice(0, 4) : [];

const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Headers that hold what belongs into `name`: `X_Twilio_Signature`, `HTTP_…`, `X-Original-…`. */
function aliases(headers: Headers, name: string): string[] {
  const wanted = bare(name);
  const short = wanted.replace(/^x/, '');
  return [...headers]
    .filter(([other]) => other !== name && (bare(other).endsWith(wanted) || bare(other) === short))
    .map(([, value]) => value)
    .slice(0, 3);
}

const form = 'application/x-www-form-urlencoded';

function* contentTypes(headers: Headers): Generator<Change<Headers>> {
  const given = (headers.get('content-type') ?? '').toLowerCase();
  for (const type of [form, 'application/json', null]) {
    if (type === null ? given === '' : given.startsWith(type)) continue;
    yield { cause: 'content_type_changed', value: withHeader(headers, 'content-type', type) };
  }
}

/** Headers as they may have been sent, for a provider that signs by `names`. */
export function* headerChanges(
  headers: Headers,
  names: readonly string[],
): Generator<Change<Headers>> {
  for (const name of names) {
    const value = headers.get(name);
    if (value === undefined || value === '') {
      for (const other of aliases(headers, name)) {
        yield { cause: 'signature_header_renamed', value: withHeader(headers, name, other) };
      }
      continue;
    }
    if (value.length > maxLength) continue;
    for (const one of repeated(value)) {
      yield { cause: 'signature_repeated', value: withHeader(headers, name, one) };
    }
    for (const text of new Set(altered(value))) {
      if (text === value) continue;
      yield { cause: 'signature_header_altered', value: withHeader(headers, name, text) };
    }
  }
  yield* contentTypes(headers);
}
