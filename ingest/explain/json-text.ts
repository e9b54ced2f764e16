// Ingest, why a signature failed: JSON written in the ways that libraries write it. Works on the text, not on
// parsed values: numbers, escapes and repeated keys stay as they are unless their change is the point.

/** White space of a way to write JSON. */
export interface JsonLayout {
  /** Before each line; empty: all in one line. */
  readonly indent: string;
  readonly afterColon: string;
  /** After a comma that no line break follows. */
  readonly afterComma: string;
}

/** What the common libraries write. */
export const jsonLayouts: readonly JsonLayout[] = [
  { indent: '', afterColon: '', afterComma: '' },
  { indent: '  ', afterColon: ' ', afterComma: '' },
  { indent: '', afterColon: ' ', afterComma: ' ' },
  { indent: '    ', afterColon: ' ', afterComma: '' },
  { indent: '\t', afterColon: ' ', afterComma: '' },
];

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;

/** How much longer a text may become: nesting makes pretty-printed JSON grow with its square. */
const maxGrowth = 256 * 1024;

/**
 * The same tokens with the white space of `layout`. Only for a text that is JSON (the pattern’s time is
 * linear there); the text itself where it would grow beyond all measure.
 */
export function layOut(text: string, layout: JsonLayout): string {
  const { indent, afterColon, afterComma } = layout;
  const isLined = indent !== '';
  let depth = 0;
  let made = '';
  let before = '';
  const breakLine = (): string => (isLined ? `\n${indent.repeat(depth)}` : '');
  for (const [token] of text.matchAll(tokens)) {
    const isClosing = token === '}' || token === ']';
    if (isClosing) depth -= 1;
    if (before === '{' || before === '[') made += isClosing ? '' : breakLine();
    else if (isClosing) made += breakLine();
    if (before === ',') made += isLined ? breakLine() : afterComma;
    else if (before === ':') made += afterColon;
    made += token;
    if (token === '{' || token === '[') depth += 1;
    before = token;
    if (made.length > 2 * text.length + maxGrowth) return text;
  }
  return made;
}

type Json = string | number | boolean | null | Json[] | { readonly [name: string]: Json };

const asObject = (value: Json): Readonly<Record<string, Json>> | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;

const maxDepth = 64;

/** A parsed value with the keys of every object sorted. Throws a RangeError where it is nested too deep. */
function sorted(value: Json, depth = 0): Json {
  if (depth > maxDepth) throw new RangeError('nested too deep');
  if (Array.isArray(value)) return value.map((one) => sorted(one, depth + 1));
  const object = asObject(value);
  if (object === null) return value;
  const entries = Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one, depth + 1)]));
}

/** The text with its keys sorted, in one line; null for what is no JSON, or nested too deep. */
export function withSortedKeys(text: string): string | null {
  try {
    return JSON.stringify(sorted(JSON.parse(text) as Json));
  } catch {
    return null;
  }
}

const unicodeEscape = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The ways in which libraries escape: all but ASCII, slashes, what HTML could read; and none of it. */
export function escapings(text: string): string[] {
  const notAscii = text.replace(/[^\x00-\x7f]/g, unicodeEscape);
  const plain = text.replace(/\\u([0-9a-f]{4})/gi, (whole, code: string) => {
    const number = Number.parseInt(code, 16);
    return number < 0x20 || number === 0x22 || number === 0x5c
      ? whole
      : String.fromCharCode(number);
  });
  return [
    plain,
    notAscii,
    notAscii.replace(/\\u[0-9a-f]{4}/g, (code) => `\\u${code.slice(2).toUpperCase()}`),
    text.replaceAll('\\/', '/'),
    text.replaceAll('/', '\\/'),
    plain.replaceAll('\\/', '/'),
    notAscii.replaceAll('/', '\\/'),
    text.replace(/[<>&\u2028\u2029]/g, unicodeEscape),
  ];
}

/** True where the bytes begin as a JSON document does; cheap, for bodies of any size. */
export const looksLikeJson = (text: string): boolean => /^\s*[[{]/.test(text);

/** The fields of a flat JSON object as a form; null where it is none. */
export function asForm(text: string): string | null {
  try {
    const object = asObject(JSON.parse(text) as Json);
    if (object === null) return null;
    const form = new URLSearchParams();
    for (const [name, value] of Object.entries(object)) {
      if (typeof value === 'object' && value !== null) return null;
      form.append(name, value === null ? '' : String(value));
    }
    return form.toString();
  } catch {
    return null;
  }
}
