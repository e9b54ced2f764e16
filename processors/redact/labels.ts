// Redaction: the labels of one call. In: a type and a value. Out: `[PHONE_1]`, the same for the same value. The values
// are held in memory alone, for as long as the call is redacted, and never leave this file.

import { compact, fold } from './characters.js';
import { labelWords, type PiiType } from './types.js';

/** Values remembered; the oldest are forgotten first, their numbers are never given again. */
const maxValues = 4096;
const minEcho = 4;

/** A value that was masked before. */
export interface Known {
  readonly label: string;
  readonly type: PiiType;
}

interface KnownDigits extends Known {
  readonly digits: string;
}

/** Digits as they are compared: a country code of North America does not make another number. */
function comparable(word: string, key: string): string {
  if (word === 'EMAIL' || word === 'URL') return fold(key).trim();
  const plain = compact(key);
  return word === 'PHONE' && /^1\d{10}$/.test(plain) ? plain.slice(1) : plain;
}

const partsOf = (name: string): string[] =>
  fold(name)
    .split(/[^\p{L}]+/u)
    .filter((part) => part.length > 2);

/** Gives labels and finds values again. */
export class LabelBook {
  readonly #labels = new Map<string, Known>();
  readonly #counts = new Map<string, number>();
  readonly #digits: KnownDigits[] = [];
  readonly #names = new Map<string, Known>();

  /** The label of a value, new or known. */
  labelOf(type: PiiType, key: string): string {
    const word = labelWords[type];
    const name = word === 'PERSON' ? this.#knownPerson(key) : undefined;
    if (name !== undefined) return name.label;
    const value = `${word} ${comparable(word, key)}`;
    const known = this.#labels.get(value) ?? this.#add(value, type, key);
    return known.label;
  }

  #add(value: string, type: PiiType, key: string): Known {
    const word = labelWords[type];
    const count = (this.#counts.get(word) ?? 0) + 1;
    this.#counts.set(word, count);
    const known = { type, label: `[${word}_${count}]` };
    this.#labels.set(value, known);
    this.#forgetOldest();
    if (word === 'PERSON') this.#addName(key, known);
    const digits = compact(key).replace(/\D/g, '');
    if (digits.length >= minEcho && word !== 'EMAIL' && word !== 'URL' && word !== 'DATE')
      this.#digits.push({ ...known, digits });
    return known;
  }

  #addName(key: string, known: Known): void {
    for (const part of partsOf(key)) if (!this.#names.has(part)) this.#names.set(part, known);
  }

  #forgetOldest(): void {
    for (const map of [this.#labels, this.#names]) {
      if (map.size <= maxValues) continue;
      const oldest = map.keys().next();
      if (oldest.done !== true) map.delete(oldest.value);
    }
    if (this.#digits.length > maxValues) this.#digits.shift();
  }

  /** A name all of whose parts are of one person that was named before. */
  #knownPerson(key: string): Known | undefined {
    const [first = '', ...rest] = partsOf(key);
    const known = this.#names.get(first);
    if (known === undefined) return undefined;
    return rest.every((part) => this.#names.get(part) === known) ? known : undefined;
  }

  get hasNames(): boolean {
    return this.#names.size > 0;
  }

  get hasDigits(): boolean {
    return this.#digits.length > 0;
  }

  /** The person whom this word named before. */
  personNamed(word: string): Known | undefined {
    return this.#names.get(word);
  }

  /** The value these digits repeat: its beginning, its end, or five and more of it. */
  echoOf(digits: string): Known | undefined {
    if (digits.length < minEcho) return undefined;
    return this.#digits.find(
      (known) =>
        known.digits.endsWith(digits) ||
        known.digits.startsWith(digits) ||
        (digits.length > minEcho && known.digits.includes(digits)),
    );
  }
}
