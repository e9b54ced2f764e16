// Redaction: the engine. In: text, whole or in pieces. Out: text with labels in the place of values, and spans. What is
// still open is held back; the result does not depend on the pieces.

import { Candidates } from './candidates.js';
import { charKind, charSpace } from './characters.js';
import { CustomRules, type CustomRule } from './custom.js';
import { findEchoes } from './echoes.js';
import { LabelBook } from './labels.js';
import { findAll, type RedactionProfile } from './rules.js';
import { kindDigits, Tokens } from './tokens.js';
import type { Candidate, PiiType, RedactionSpan } from './types.js';
import { forcedUnit, nextCut } from './units.js';

/** How to redact. */
export interface RedactionOptions {
  readonly profile?: RedactionProfile;
  /** Types that are left in the text. */
  readonly keep?: ReadonlySet<PiiType>;
  /** Rules of the tenant, beside the built-in ones. */
  readonly rules?: readonly CustomRule[];
}

/** What left after a piece of text. */
export interface Redacted {
  readonly text: string;
  /** Spans of the values in it, offsets over the whole input. */
  readonly spans: readonly RedactionSpan[];
}

/** Input is read in steps of this size, whatever comes at once. */
const step = 16 * 1024;
/** UTF-16 units that decide a unit where nothing quiet is found. */
const window = 2 * forcedUnit;
/** A word is known to be whole when three more UTF-16 units are there (an apostrophe and what follows it). */
const wordLookAhead = 3;

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

interface LabelledSpan extends Candidate {
  readonly label: string;
}

/** A part of the pending text that may leave: up to `at`, with its spans. */
interface Unit {
  readonly at: number;
  readonly next: number;
  readonly spans: readonly LabelledSpan[];
  readonly isForced: boolean;
}

/**
 * Redacts one call or one document. Pieces in order by `push`, the end by `flush`; labels are the call's, so the same
 * value has one label in all texts of one redactor. Never throws, whatever the text holds.
 */
export class Redactor {
  readonly #tokens = new Tokens();
  readonly #found = new Candidates();
  readonly #book = new LabelBook();
  readonly #profile: RedactionProfile;
  readonly #keep: ReadonlySet<PiiType>;
  readonly #custom: CustomRules;
  #pending = '';
  #base = 0;
  /** A value longer than a window: the rest of it, up to white space, is left out. */
  #overlong: RedactionSpan | null = null;
  #text = '';
  #spans: RedactionSpan[] = [];

  constructor(options: RedactionOptions = {}) {
    this.#profile = options.profile ?? 'speech';
    this.#keep = options.keep ?? new Set();
    this.#custom = new CustomRules(options.rules ?? []);
  }

  /** UTF-16 units that are held back. */
  get heldBack(): number {
    return this.#pending.length;
  }

  /** Takes the next piece; gives what may leave. */
  push(piece: string): Redacted {
    for (let at = 0; at < piece.length; at += step) {
      this.#pending += piece.slice(at, at + step);
      this.#advance(false);
    }
    return this.#take();
  }

  /** The text is over: gives the rest. The next `push` begins a new text at offset 0, with the same labels. */
  flush(): Redacted {
    this.#advance(true);
    this.#leaveOut(this.#base);
    const rest = this.#take();
    this.#pending = '';
    this.#base = 0;
    return rest;
  }

  readonly #isKnown = (digits: string): boolean => this.#book.echoOf(digits) !== undefined;

  #take(): Redacted {
    const taken = { text: this.#text, spans: this.#spans };
    this.#text = '';
    this.#spans = [];
    return taken;
  }

  #drop(count: number): void {
    this.#pending = this.#pending.slice(count);
    this.#base += count;
  }

  /** Moves every unit out that is complete. A forced cut may fall into a word: what follows is read anew. */
  #advance(isFinal: boolean): void {
    for (let isForced = true; isForced && this.#skipOverlong();) {
      isForced = false;
      this.#tokens.read(this.#pending);
      let done = 0;
      let first = 0;
      while (first < this.#tokens.total && !isForced) {
        const unit = this.#nextUnit(first, isFinal);
        if (unit === null) break;
        this.#write(done, unit);
        if (this.#overlong !== null) this.#spans.pop();
        ({ at: done, next: first, isForced } = unit);
      }
      const isBlank = this.#tokens.total === 0;
      if (!isForced && (isFinal || isBlank)) {
        this.#text += this.#pending.slice(done);
        done = this.#pending.length;
      }
      this.#drop(done);
    }
  }

  /** Leaves the rest of an overlong value out; false while nothing else is there. */
  #skipOverlong(): boolean {
    if (this.#overlong !== null) {
      let at = 0;
      while (at < this.#pending.length && charKind(this.#pending.charCodeAt(at)) !== charSpace)
        at++;
      const isOver = at < this.#pending.length;
      this.#drop(at);
      if (isOver) this.#leaveOut(this.#base);
    }
    return this.#pending !== '';
  }

  #leaveOut(end: number): void {
    if (this.#overlong !== null) this.#spans.push({ ...this.#overlong, end });
    this.#overlong = null;
  }

  #nextUnit(first: number, isFinal: boolean): Unit | null {
    const tokens = this.#tokens;
    tokens.show(0, tokens.total);
    const start = tokens.start(first);
    const isFull = this.#pending.length - start >= window;
    const isEnd = isFinal && !isFull;
    const limit = isFull ? start + window : this.#pending.length;
    const known = isEnd ? tokens.total : tokens.countUntil(first, limit - wordLookAhead);
    tokens.show(first, known);
    const cut = nextCut(tokens, { isClosed: isFull || isEnd, isEnd });
    if (cut === 'wait') return null;
    if (cut === 'force') return this.#forcedUnit(start, limit, first);
    tokens.show(first, first + cut);
    const spans = this.#spansOf();
    tokens.show(0, tokens.total);
    return { at: tokens.start(first + cut), next: first + cut, spans, isForced: false };
  }

  /** Nothing quiet in a whole window: cut before a value, behind an overlong one, or anywhere. */
  #forcedUnit(start: number, limit: number, first: number): Unit {
    const tokens = this.#tokens;
    const spans = this.#spansOf();
    if (tokens.count === 0 && tokens.kindOfHidden(first) === kindDigits) {
      return this.#digitsAcross(start, limit, first);
    }
    const overlong = tokens.startOfHidden(first + tokens.count);
    let at = overlong <= start + forcedUnit ? overlong : tokens.lastGap(start + forcedUnit);
    if (at <= start) at = start + forcedUnit;
    if (isLowSurrogate(this.#pending.charCodeAt(at))) at--;
    const open = spans.find((span) => span.start < at && span.end > at);
    if (open !== undefined) at = open.start > start ? open.start : open.end;
    const inside = spans.filter((span) => span.end <= at);
    const last = inside.at(-1);
    if (last?.end === at && at >= limit - wordLookAhead) {
      const { type, rule, label } = last;
      this.#overlong = { type, rule, label, start: this.#base + last.start, end: this.#base + at };
    }
    return { at, next: first, spans: inside, isForced: true };
  }

  /** Digits that fill a whole window: masked from their first to the next white space. */
  #digitsAcross(start: number, limit: number, first: number): Unit {
    const value = this.#pending.slice(start, limit);
    const rule = 'number.overlong';
    const label = this.#book.labelOf('NUMBER', value);
    const span = { start, end: limit, type: 'NUMBER' as const, rule, label, score: 1 };
    this.#overlong = { type: 'NUMBER', rule, label, start: this.#base + start, end: this.#base };
    return { at: limit, next: first, spans: [span], isForced: true };
  }

  #write(from: number, unit: Unit): void {
    let at = from;
    for (const { start, end, type, label, rule } of unit.spans) {
      this.#text += this.#pending.slice(at, start) + label;
      this.#spans.push({ start: this.#base + start, end: this.#base + end, type, label, rule });
      at = end;
    }
    this.#text += this.#pending.slice(at, unit.at);
  }

  /** What the rules find in the tokens that are shown, with labels. */
  #spansOf(): readonly LabelledSpan[] {
    const tokens = this.#tokens;
    const found = this.#found;
    found.clear();
    const runs = findAll(tokens, found, this.#profile, this.#isKnown);
    this.#custom.find(tokens, found);
    const settled = found.settled();
    const known = this.#label(settled);
    const echoes = this.#profile === 'speech' ? findEchoes(tokens, runs, settled, this.#book) : [];
    if (echoes.length === 0) return known;
    const labelled = echoes.map((echo) => ({ ...echo, label: echo.key ?? '' }));
    return [...known, ...labelled].sort((a, b) => a.start - b.start);
  }

  #label(settled: readonly Candidate[]): LabelledSpan[] {
    return settled
      .filter(({ type }) => !this.#keep.has(type))
      .map((span) => {
        const value = span.key ?? this.#pending.slice(span.start, span.end);
        return { ...span, label: this.#book.labelOf(span.type, value) };
      });
  }
}

/** Redacts a whole text. */
export function redactText(text: string, options: RedactionOptions = {}): Redacted {
  const redactor = new Redactor(options);
  const begun = redactor.push(text);
  const rest = redactor.flush();
  return { text: begun.text + rest.text, spans: [...begun.spans, ...rest.spans] };
}
