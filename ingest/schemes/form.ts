// Ingest, verification: the flat form parser the Twilio family signs by. Bytes in, fields out: in
// order, untrimmed, duplicates and empty values kept, no nesting of names such as `a[b]`.

/** One `name=value` of a form or a query. */
export interface FormField {
  readonly name: string;
  readonly value: string;
  /** `name` followed by `value` as bytes (latin1), which is what is signed: lossless. */
  readonly signedBytes: string;
}

/** Fields by name; the first value where a name is repeated. */
export type FormValues = ReadonlyMap<string, string>;

export interface Form {
  readonly fields: readonly FormField[];
  readonly values: FormValues;
}

const plus = 0x2b;
const percent = 0x25;

/** The value of a hex digit's code; −1 for anything else. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** `+` and `%xx` as bytes; a `%` that starts no escape stays as it is (WHATWG URL, urlencoded). */
function decodedBytes(component: string): string {
  let decoded = '';
  let from = 0;
  for (let at = 0; at < component.length; at += 1) {
    const code = component.charCodeAt(at);
    if (code === plus) {
      decoded += `${component.slice(from, at)} `;
      from = at + 1;
    } else if (code === percent) {
      const high = hexDigit(component.charCodeAt(at + 1));
      const low = hexDigit(component.charCodeAt(at + 2));
      if (high === -1 || low === -1) continue;
      decoded += component.slice(from, at) + String.fromCharCode(high * 16 + low);
      at += 2;
      from = at + 1;
    }
  }
  return from === 0 ? component : decoded + component.slice(from);
}

const notAscii = /[^\x00-\x7f]/;

const asText = (bytes: string): string =>
  notAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;

/** `isPlain`: nothing in the pair is escaped, and all of it is ASCII. */
function field(pair: string, isPlain: boolean): FormField {
  const equals = pair.indexOf('=');
  const name = equals === -1 ? pair : pair.slice(0, equals);
  const value = equals === -1 ? '' : pair.slice(equals + 1);
  if (isPlain) return { name, value, signedBytes: name + value };
  const nameBytes = decodedBytes(name);
  const valueBytes = decodedBytes(value);
  const signedBytes = nameBytes + valueBytes;
  return { name: asText(nameBytes), value: asText(valueBytes), signedBytes };
}

/** More fields than any form of Twilio's; nobody gets more parsed before the signature is known. */
export const maxFields = 2000;

/** Where `sign` stands at or behind `from`; the text's end where it does not. */
function nextOf(sign: string, text: string, from: number): number {
  const at = text.indexOf(sign, from);
  return at === -1 ? text.length : at;
}

// This runs for every delivery, before anything is known of its sender: searches are the engine's own, and
// none begins again before the last one's find, so that the time is linear whatever is sent.
function parse(latin1: string): Form {
  const fields: FormField[] = [];
  const values = new Map<string, string>();
  const isAscii = !notAscii.test(latin1);
  let percentAt = -1;
  let plusAt = -1;
  for (let start = 0; start < latin1.length && fields.length <= maxFields;) {
    const end = nextOf('&', latin1, start);
    if (end > start) {
      if (percentAt < start) percentAt = nextOf('%', latin1, start);
      if (plusAt < start) plusAt = nextOf('+', latin1, start);
      const pair = latin1.slice(start, end);
      const one = field(pair, isAscii && percentAt >= end && plusAt >= end);
      fields.push(one);
      if (!values.has(one.name)) values.set(one.name, one.value);
    }
    start = end + 1;
  }
  return { fields, values };
}

// Verifying and mapping ask for the same body, one right after the other. One entry, not a WeakMap of
// all: that costs the collector more than parsing twice.
let latest: { readonly body: Buffer; readonly form: Form } | null = null;

/**
 * The fields of an `application/x-www-form-urlencoded` body; one more than `maxFields` where it holds
 * more than that.
 */
export function parseForm(body: Buffer): Form {
  if (latest?.body === body) return latest.form;
  const form = parse(body.toString('latin1'));
  latest = { body, form };
  return form;
}

/** The fields of a URL's query, without its fragment. */
export function parseQuery(url: string): Form {
  const hash = url.indexOf('#');
  const withoutFragment = hash === -1 ? url : url.slice(0, hash);
  const start = withoutFragment.indexOf('?');
  const query = start === -1 ? '' : withoutFragment.slice(start + 1);
  return parse(Buffer.from(query, 'utf8').toString('latin1'));
}

/**
 * Fields of one name among those that are signed: equal ones once and sorted by value (Twilio), all of them
 * sorted by value (Plivo), or all of them as they came (SignalWire).
 */
export type Repeats = 'once' | 'sorted' | 'as_received';

function isBefore(a: FormField, b: FormField, repeats: Repeats): boolean {
  if (a.name !== b.name) return a.name < b.name;
  return repeats !== 'as_received' && a.value < b.value;
}

/** More fields than this are sorted by the engine: comparisons must not grow by the square. */
const fewFields = 48;

/**
 * The fields by name, in UTF-16 code units, and those of one name as `repeats` says. Fields are few, and
 * each is put in its place faster than the engine sorts them.
 */
export function sortedFields({ fields }: Form, repeats: Repeats): readonly FormField[] {
  const isLess = (a: FormField, b: FormField): boolean => isBefore(a, b, repeats);
  if (fields.length > fewFields) {
    return [...fields].sort((a, b) => (isLess(a, b) ? -1 : Number(isLess(b, a))));
  }
  const sorted: FormField[] = [];
  for (const one of fields) {
    let at = sorted.length;
    for (let before = sorted[at - 1]; before !== undefined && isLess(one, before);) {
      sorted[at] = before;
      at -= 1;
      before = sorted[at - 1];
    }
    sorted[at] = one;
  }
  return sorted;
}

/**
 * What Twilio and its kin append to the URL before they sign: name and value of each field, sorted by
 * UTF-16 code unit, without delimiters (twilio@6.2.0 `toFormUrlEncodedParam`). As latin1.
 */
export function signedFields(form: Form, repeats: Repeats = 'once'): string {
  let text = '';
  let before: FormField | null = null;
  for (const entry of sortedFields(form, repeats)) {
    const isRepeated = before?.name === entry.name && before.signedBytes === entry.signedBytes;
    if (!isRepeated || repeats !== 'once') text += entry.signedBytes;
    before = entry;
  }
  return text;
}

/**
 * The same with what is no UTF-8 read as U+FFFD, for a sender that signs decoded text as the provider's
 * SDK does; null where every byte is UTF-8 and nothing differs. The values that are mapped are those
 * texts, so two bodies that share such a signature mean the same.
 */
export function signedTexts(form: Form, repeats: Repeats = 'once'): string | null {
  const isReplaced = ({ name, value }: FormField) => `${name}${value}`.includes('\ufffd');
  if (!form.fields.some(isReplaced)) return null;
  const fields = form.fields.map((one) => {
    const signedBytes = Buffer.from(one.name + one.value, 'utf8').toString('latin1');
    return { ...one, signedBytes };
  });
  return signedFields({ ...form, fields }, repeats);
}
