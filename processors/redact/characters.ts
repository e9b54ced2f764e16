// Redaction: what kind of character a UTF-16 unit is, and its folded form. In: a unit. Out: numbers; no tables at run
// time beyond two small arrays, so that a text is read at memory speed.

export const charSpace = 0;
export const charLetter = 1;
export const charDigit = 2;
export const charMark = 3;

const tableSize = 0x250;
const kinds = new Uint8Array(tableSize);
const folded = new Uint16Array(tableSize);

const oddFolds: Readonly<Record<string, string>> = {
  ...{ ß: 's', ø: 'o', ł: 'l', æ: 'a', œ: 'o', đ: 'd', ð: 'd', þ: 't', ı: 'i', '’': "'" },
};

/** The letter without accent and in lower case. */
function foldLetter(unit: number): number {
  const lower = String.fromCharCode(unit).toLowerCase();
  const plain = oddFolds[lower] ?? lower.normalize('NFD');
  return plain.charCodeAt(0);
}

for (let unit = 0; unit < tableSize; unit++) {
  const letter = /\p{L}/u.test(String.fromCharCode(unit));
  const digit = unit >= 48 && unit <= 57;
  const space = unit <= 32 || (unit >= 0x7f && unit <= 0xa0) || unit === 0xad;
  kinds[unit] = letter ? charLetter : digit ? charDigit : space ? charSpace : charMark;
  folded[unit] = letter ? foldLetter(unit) : unit;
}

/** First units of runs of ten digits in other scripts: Arabic, Persian, Devanagari, full width. */
const digitZeros = [0x660, 0x6f0, 0x966, 0xff10] as const;

function digitZero(unit: number): number {
  for (const zero of digitZeros) if (unit >= zero && unit < zero + 10) return zero;
  return 0;
}

function highKind(unit: number): number {
  if (unit >= 0x2000 && unit <= 0x206f) {
    const space = unit <= 0x200f || unit === 0x2028 || unit === 0x2029 || unit >= 0x202f;
    return space && (unit < 0x2030 || unit > 0x205e) ? charSpace : charMark;
  }
  if (unit === 0x3000 || unit === 0xfeff) return charSpace;
  if (digitZero(unit) !== 0) return charDigit;
  if (unit >= 0x3001 && unit <= 0x303f) return charMark;
  if (unit >= 0xff00 && unit <= 0xff20) return charMark;
  return charLetter;
}

/** The kind of a UTF-16 unit. A half of a surrogate pair counts as a letter: a pair is never torn. */
export function charKind(unit: number): number {
  return unit < tableSize ? (kinds[unit] ?? charMark) : highKind(unit);
}

/** The unit in lower case without accent; digits of other scripts become ASCII. */
export function foldChar(unit: number): number {
  if (unit < tableSize) return folded[unit] ?? unit;
  const zero = digitZero(unit);
  return zero === 0 ? unit : unit - zero + 48;
}

/** The text in lower case, without accents, digits as ASCII; as long as the text. */
export function fold(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) out += String.fromCharCode(foldChar(text.charCodeAt(i)));
  return out;
}

/** Letters and digits of a text, in upper case without accents. */
export function compact(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const kind = charKind(unit);
    if (kind === charLetter || kind === charDigit) out += String.fromCharCode(foldChar(unit));
  }
  return out.toUpperCase();
}

/** The digits of a text, as ASCII. */
export function digitsOf(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (charKind(unit) === charDigit) out += String.fromCharCode(foldChar(unit));
  }
  return out;
}
