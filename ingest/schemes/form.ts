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

const escaped = /%([0-9a-f]{2})/gi;
const notAscii = /[^\x00-\x7f]/;

const byteOf = (_: string, hex: string): string => String.fromCharCode(Number.parseInt(hex, 16));

/** `+` and `%xx` as bytes; a `%` that starts no escape stays as it is (WHATWG URL, urlencoded). */
function decodedBytes(component: string): string {
  const spaced = component.includes('+') ? component.replaceAll('+', ' ') : component;
  return spaced.includes('%') ? spaced.replace(escaped, byteOf) : spaced;
}

const asText = (bytes: string): string =>
  notAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;

function field(pair: string): FormField {
  const equals = pair.indexOf('=');
  const name = decodedBytes(equals === -1 ? pair : pair.slice(0, equals));
  const value = equals === -1 ? '' : decodedBytes(pair.slice(equals + 1));
  return { name: asText(name), value: asText(value), signedBytes: name + value };
}

/** More fields than any form of Twilio's; nobody gets more parsed before the signature is known. */
export const maxFields = 2000;

// One pass: this runs for every delivery, and splitting everything first takes twice as long.
function parse(latin1: string): Form {
  const fields: FormField[] = [];
  const values = new Map<string, string>();
  for (let start = 0; start < latin1.length && fields.length <= maxFields;) {
    const next = latin1.indexOf('&', start);
    const end = next === -1 ? latin1.length : next;
    if (end > start) {
      const one = field(latin1.slice(start, end));
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

const byNameThenValue = (a: FormField, b: FormField): number => {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  if (a.value !== b.value) return a.value < b.value ? -1 : 1;
  return 0;
};

/**
 * What Twilio appends to the URL before it signs: name and value of each field, sorted by UTF-16 code
 * unit, equal fields once, without delimiters (twilio@6.2.0 `toFormUrlEncodedParam`). As latin1.
 */
export function signedFields(form: Form): string {
  const sorted = [...form.fields].sort(byNameThenValue);
  return sorted
    .filter((entry, index) => {
      const before = sorted[index - 1];
      return before?.name !== entry.name || before.signedBytes !== entry.signedBytes;
    })
    .map((entry) => entry.signedBytes)
    .join('');
}
