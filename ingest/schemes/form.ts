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

/** Decodes `+` and `%xx`; a `%` that starts no escape stays as it is (WHATWG URL, urlencoded). */
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

function parse(latin1: string): Form {
  const fields = latin1
    .split('&')
    .filter((pair) => pair !== '')
    .map(field);
  const values = new Map<string, string>();
  for (const { name, value } of fields) if (!values.has(name)) values.set(name, value);
  return { fields, values };
}

// Verifying, mapping and answering each ask for the same body: parsed once, dropped with the buffer.
const parsed = new WeakMap<Buffer, Form>();

/** The fields of an `application/x-www-form-urlencoded` body. */
export function parseForm(body: Buffer): Form {
  const known = parsed.get(body);
  if (known !== undefined) return known;
  const form = parse(body.toString('latin1'));
  parsed.set(body, form);
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
