// Redaction: the one pass over the text. In: text. Out: tokens (words, digit runs, marks) in arrays that are used again,
// each word with its entry of the lexicon.

import { charDigit, charKind, charLetter, charSpace, foldChar } from './characters.js';
import { addToHash, startHash, words } from './lexicon.js';

export const kindNone = 0;
export const kindWord = 1;
export const kindDigits = 2;
export const kindMark = 3;

/** How a word is written. */
export const caseLower = 0;
export const caseCapital = 1;
export const caseUpper = 2;

const apostrophe = 0x27;
const curlyApostrophe = 0x2019;
const isApostrophe = (unit: number): boolean => unit === apostrophe || unit === curlyApostrophe;

/** Tokens of a text. Positions outside read as nothing (kind 0, no flags), so rules may look beyond the ends. */
export class Tokens {
  text = '';
  /** Tokens of the window. */
  count = 0;
  #from = 0;
  #total = 0;
  #start = new Int32Array(256);
  #end = new Int32Array(256);
  #kind = new Uint8Array(256);
  #case = new Uint8Array(256);
  #entry = new Int32Array(256);
  readonly #words = words().lexicon;

  /** Reads `text` anew. */
  read(text: string): void {
    this.text = text;
    this.#total = 0;
    let at = 0;
    while (at < text.length) {
      const kind = charKind(text.charCodeAt(at));
      if (kind === charSpace) at++;
      else if (kind === charLetter) at = this.#readWord(at);
      else if (kind === charDigit) at = this.#readDigits(at);
      else at = this.#push({ start: at, end: at + 1, kind: kindMark, entry: 0 }, caseLower);
    }
    this.show(0, this.#total);
  }

  /** Tokens of the whole text. */
  get total(): number {
    return this.#total;
  }

  /** Narrows what the rules see to the tokens from `from` up to `to`; indexes then count from `from`. */
  show(from: number, to: number): void {
    this.#from = from;
    this.count = to - from;
  }

  /** The token after the last one from `first` on that ends at or before the offset. */
  countUntil(first: number, offset: number): number {
    let last = this.#total;
    while (last > first && (this.#end[last - 1] ?? 0) > offset) last--;
    return last;
  }

  /** Kind of a token of the whole text, shown or not. */
  kindOfHidden(index: number): number {
    return index < this.#total ? (this.#kind[index] ?? kindNone) : kindNone;
  }

  /** Where a token of the whole text begins, shown or not; beyond the last, the end of the text. */
  startOfHidden(index: number): number {
    return index < this.#total ? (this.#start[index] ?? 0) : this.text.length;
  }

  /** Where the last token of the window begins that has a gap before it and begins at or before the offset; -1: none. */
  lastGap(offset: number): number {
    for (let i = this.count - 1; i > 0; i--) {
      if (this.start(i) <= offset && !this.touches(i)) return this.start(i);
    }
    return -1;
  }

  /** True when a digit is in the window. */
  hasDigits(): boolean {
    for (let i = this.#from; i < this.#from + this.count; i++) {
      if (this.#kind[i] === kindDigits) return true;
    }
    return false;
  }

  #readDigits(start: number): number {
    let end = start + 1;
    while (end < this.text.length && charKind(this.text.charCodeAt(end)) === charDigit) end++;
    return this.#push({ start, end, kind: kindDigits, entry: 0 }, caseLower);
  }

  /** A word keeps an apostrophe ("o'clock", "i'm") but not "'s", nor a single letter before one ("l'adresse"). */
  #readWord(start: number): number {
    const { text } = this;
    let hash = startHash;
    let end = start;
    let uppers = 0;
    while (end < text.length) {
      const unit = text.charCodeAt(end);
      if (charKind(unit) !== charLetter) {
        if (!isApostrophe(unit) || !this.#keepsApostrophe(start, end)) break;
        hash = addToHash(hash, apostrophe);
      } else {
        const folded = foldChar(unit);
        if (folded !== unit && isUpper(unit)) uppers++;
        hash = addToHash(hash, folded);
      }
      end++;
    }
    const first = text.charCodeAt(start);
    const capital = foldChar(first) !== first && isUpper(first);
    const written = !capital
      ? caseLower
      : uppers === end - start && uppers > 1
        ? caseUpper
        : caseCapital;
    return this.#push({ start, end, kind: kindWord, entry: this.#words.find(hash) }, written);
  }

  #keepsApostrophe(start: number, at: number): boolean {
    const next = at + 1 < this.text.length ? this.text.charCodeAt(at + 1) : 0;
    if (charKind(next) !== charLetter || next === 0) return false;
    const folded = foldChar(next);
    const after = at + 2 < this.text.length ? charKind(this.text.charCodeAt(at + 2)) : charSpace;
    if (folded === 0x73 && after !== charLetter) return false;
    if (at - start > 1) return true;
    const first = foldChar(this.text.charCodeAt(start));
    return first === 0x6f || first === 0x69;
  }

  #push(
    token: { start: number; end: number; kind: number; entry: number },
    written: number,
  ): number {
    const index = this.#total++;
    if (index >= this.#start.length) this.#grow();
    this.#start[index] = token.start;
    this.#end[index] = token.end;
    this.#kind[index] = token.kind;
    this.#entry[index] = token.entry;
    this.#case[index] = written;
    return token.end;
  }

  #grow(): void {
    const size = this.#start.length * 2;
    const wider = <T extends Int32Array | Uint8Array>(next: T, now: T): T => {
      next.set(now);
      return next;
    };
    this.#start = wider(new Int32Array(size), this.#start);
    this.#end = wider(new Int32Array(size), this.#end);
    this.#entry = wider(new Int32Array(size), this.#entry);
    this.#kind = wider(new Uint8Array(size), this.#kind);
    this.#case = wider(new Uint8Array(size), this.#case);
  }

  /** Where the window ends in the text. */
  #edge(): number {
    return this.count === 0 ? 0 : (this.#end[this.#from + this.count - 1] ?? 0);
  }

  start(index: number): number {
    return index < 0
      ? 0
      : index < this.count
        ? (this.#start[this.#from + index] ?? 0)
        : this.#edge();
  }

  end(index: number): number {
    return index < 0 ? 0 : index < this.count ? (this.#end[this.#from + index] ?? 0) : this.#edge();
  }

  kind(index: number): number {
    return index >= 0 && index < this.count ? (this.#kind[this.#from + index] ?? 0) : kindNone;
  }

  /** caseLower, caseCapital or caseUpper. */
  written(index: number): number {
    return index >= 0 && index < this.count ? (this.#case[this.#from + index] ?? 0) : caseLower;
  }

  #entryAt(index: number): number {
    return index >= 0 && index < this.count ? (this.#entry[this.#from + index] ?? 0) : 0;
  }

  flags(index: number): number {
    return this.#words.flags[this.#entryAt(index)] ?? 0;
  }

  cues(index: number): number {
    return this.#words.cues[this.#entryAt(index)] ?? 0;
  }

  /** Value of a word of a number, a month or an ordinal. */
  value(index: number): number {
    return this.#words.values[this.#entryAt(index)] ?? 0;
  }

  length(index: number): number {
    return this.end(index) - this.start(index);
  }

  textOf(first: number, last = first): string {
    return this.text.slice(this.start(first), this.end(last));
  }

  /** The mark at a position as its character; empty for every other token. */
  mark(index: number): string {
    return this.kind(index) === kindMark ? this.text.charAt(this.start(index)) : '';
  }

  /** True when nothing stands between a token and the one before it. */
  touches(index: number): boolean {
    const at = this.#from + index;
    return index > 0 && index < this.count && this.#start[at] === this.#end[at - 1];
  }

  /** True for a word of one letter. */
  isLetter(index: number): boolean {
    return this.kind(index) === kindWord && this.length(index) === 1;
  }
}

function isUpper(unit: number): boolean {
  if (unit < 0x80) return unit >= 0x41 && unit <= 0x5a;
  const char = String.fromCharCode(unit);
  return char !== char.toLowerCase();
}
