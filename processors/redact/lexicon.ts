// Redaction: one table of all words that matter, found by a hash made while the text is read. In: the word lists of
// words/. Out: for a word its flags, cues and value in three arrays.

import { foldChar } from './characters.js';
import { englishWords } from './words/english-words.js';
import * as cues from './words/cues.js';
import { cueWords, type CueName } from './words/cues.js';
import * as forms from './words/forms.js';
import { ambiguousGivenNames, clearGivenNames } from './words/given-names.js';
import { otherGivenNames } from './words/more-given-names.js';
import { ambiguousPlaces, clearPlaces } from './words/places.js';
import * as speech from './words/speech.js';
import { ambiguousSurnames, clearSurnames } from './words/surnames.js';

/** What a word can be; a word has several. */
export const flag = {
  digit: 1 << 0,
  teen: 1 << 1,
  tens: 1 << 2,
  hundred: 1 << 3,
  scale: 1 << 4,
  repeat: 1 << 5,
  oh: 1 << 6,
  inner: 1 << 7,
  filler: 1 << 8,
  bridge: 1 << 9,
  repair: 1 << 10,
  spelling: 1 << 11,
  clearGiven: 1 << 12,
  otherGiven: 1 << 13,
  ambiguousGiven: 1 << 14,
  clearSurname: 1 << 15,
  ambiguousSurname: 1 << 16,
  title: 1 << 17,
  relation: 1 << 18,
  common: 1 << 19,
  place: 1 << 20,
  ambiguousPlace: 1 << 21,
  state: 1 << 22,
  stateCode: 1 << 23,
  street: 1 << 24,
  streetPrefix: 1 << 25,
  unit: 1 << 26,
  month: 1 << 27,
  ordinal: 1 << 28,
  organisation: 1 << 29,
  domain: 1 << 30,
  /** First word of a place of several words. */
  placeStart: 1 << 31,
} as const;

/** What a word says about the value beside it; beside the cues, guards and ends. */
export const cue = {
  ...(Object.fromEntries(Object.keys(cueWords).map((name, index) => [name, 1 << index])) as Record<
    CueName,
    number
  >),
  /** A name may follow. */
  intro: 1 << 26,
  guardBefore: 1 << 27,
  guardAfter: 1 << 28,
  stop: 1 << 29,
  /** Joins parts of an address said aloud. */
  dot: 1 << 30,
  /** The "at" of an address said aloud. */
  at: 1 << 31,
} as const;

/** The bits of `cue` that announce no value. */
export const grammarCues =
  cue.intro | cue.guardBefore | cue.guardAfter | cue.stop | cue.dot | cue.at;

/** Words that read as a number. */
export const numberFlags =
  flag.digit | flag.teen | flag.tens | flag.hundred | flag.scale | flag.repeat;

/** Words that may name a person. */
export const givenFlags = flag.clearGiven | flag.otherGiven | flag.ambiguousGiven;

const hashPrime = 0x01000193;

/** Hash of a folded word, unit by unit; `startHash` begins. */
export const startHash = 0x811c9dc5 | 0;
export const addToHash = (hash: number, unit: number): number => Math.imul(hash ^ unit, hashPrime);

function hashOf(word: string): number {
  let hash = startHash;
  for (let i = 0; i < word.length; i++) hash = addToHash(hash, foldChar(word.charCodeAt(i)));
  return hash;
}

/** Room for the words at less than half full: a miss, the usual case, ends at the first slot. */
const slots = 1 << 17;

/** The words by hash. Two words of one 32-bit hash would share flags; the test of the lexicon says there are none. */
export class Lexicon {
  readonly #slot = new Int32Array(slots);
  readonly #hash: Int32Array;
  readonly flags: Uint32Array;
  readonly cues: Uint32Array;
  readonly values: Uint8Array;
  size = 1;

  constructor(capacity = 1 << 16) {
    this.#hash = new Int32Array(capacity);
    this.flags = new Uint32Array(capacity);
    this.cues = new Uint32Array(capacity);
    this.values = new Uint8Array(capacity);
  }

  /** The entry of a hash, 0 when no word has it. */
  find(hash: number): number {
    let slot = (hash ^ (hash >>> 15)) & (slots - 1);
    for (;;) {
      const entry = this.#slot[slot] ?? 0;
      if (entry === 0 || this.#hash[entry] === hash) return entry;
      slot = (slot + 1) & (slots - 1);
    }
  }

  add(word: string, what: { flags?: number; cues?: number; value?: number }): void {
    const hash = hashOf(word);
    let entry = this.find(hash);
    if (entry === 0) {
      entry = this.size++;
      let slot = (hash ^ (hash >>> 15)) & (slots - 1);
      while (this.#slot[slot] !== 0) slot = (slot + 1) & (slots - 1);
      this.#slot[slot] = entry;
      this.#hash[entry] = hash;
    }
    this.flags[entry] = (this.flags[entry] ?? 0) | (what.flags ?? 0);
    this.cues[entry] = (this.cues[entry] ?? 0) | (what.cues ?? 0);
    if (what.value !== undefined) this.values[entry] = what.value;
  }
}

const split = (text: string): string[] => text.trim().split(/\s+/);

function addValues(lexicon: Lexicon, rows: readonly string[], flags: number): void {
  for (const row of rows) {
    const [value = '', words = ''] = row.split(':');
    for (const word of split(words)) lexicon.add(word, { flags, value: Number(value) });
  }
}

function addAll(
  lexicon: Lexicon,
  words: Iterable<string>,
  what: { flags?: number; cues?: number },
) {
  for (const word of words) lexicon.add(word, what);
}

function addGermanCompounds(lexicon: Lexicon): void {
  const tens = ['zwanzig', 'dreissig', 'vierzig', 'funfzig', 'sechzig', 'siebzig', 'achtzig'];
  speech.germanUnits.forEach((unit, one) => {
    [...tens, 'neunzig'].forEach((ten, index) => {
      lexicon.add(`${unit}und${ten}`, { flags: flag.teen, value: (index + 2) * 10 + one + 1 });
    });
  });
}

function addSpeech(lexicon: Lexicon): void {
  addValues(lexicon, speech.digitWords, flag.digit);
  addValues(lexicon, speech.innerDigitWords, flag.inner);
  addAll(lexicon, speech.ohWords, { flags: flag.oh });
  addValues(lexicon, speech.teenWords, flag.teen);
  addValues(lexicon, speech.tensWords, flag.tens);
  addGermanCompounds(lexicon);
  addAll(lexicon, speech.hundredWords, { flags: flag.hundred });
  addAll(lexicon, speech.scaleWords, { flags: flag.scale });
  addValues(lexicon, speech.repeatWords, flag.repeat);
  addAll(lexicon, speech.fillerWords, { flags: flag.filler });
  addAll(lexicon, speech.bridgeWords, { flags: flag.bridge });
  addValues(lexicon, speech.repairWords, flag.repair);
  addAll(lexicon, speech.spellingWords, { flags: flag.spelling });
}

function addNames(lexicon: Lexicon): void {
  addAll(lexicon, split(clearGivenNames), { flags: flag.clearGiven });
  addAll(lexicon, split(otherGivenNames), { flags: flag.otherGiven });
  addAll(lexicon, split(ambiguousGivenNames), { flags: flag.ambiguousGiven });
  addAll(lexicon, split(clearSurnames), { flags: flag.clearSurname });
  addAll(lexicon, split(ambiguousSurnames), { flags: flag.ambiguousSurname });
  addAll(lexicon, split(englishWords), { flags: flag.common });
}

function addForms(lexicon: Lexicon): void {
  addAll(lexicon, forms.titleWords, { flags: flag.title });
  addAll(lexicon, forms.relationWords, { flags: flag.relation });
  addAll(lexicon, forms.streetWords, { flags: flag.street });
  addAll(lexicon, forms.streetPrefixes, { flags: flag.streetPrefix });
  addAll(lexicon, forms.unitWords, { flags: flag.unit });
  addAll(lexicon, forms.stateWords, { flags: flag.state });
  addAll(lexicon, forms.stateCodes, { flags: flag.stateCode });
  addValues(lexicon, forms.monthWords, flag.month);
  addValues(lexicon, forms.ordinalWords, flag.ordinal);
  addAll(lexicon, forms.organisationWords, { flags: flag.organisation });
  addAll(lexicon, forms.topLevelDomains, { flags: flag.domain });
}

function addCues(lexicon: Lexicon): void {
  for (const [name, words] of Object.entries(cueWords)) {
    addAll(lexicon, split(words), { cues: cue[name as CueName] });
  }
  addAll(lexicon, cues.guardBefore, { cues: cue.guardBefore });
  addAll(lexicon, cues.guardAfter, { cues: cue.guardAfter });
  addAll(lexicon, cues.stopWords, { cues: cue.stop });
  addAll(lexicon, cues.introWords, { cues: cue.intro });
  addAll(lexicon, cues.dotWords, { cues: cue.dot });
  addAll(lexicon, cues.atWords, { cues: cue.at });
}

/** Places by their first word; the rest of a name of several words stands in `placePhrases`. */
function addPlaces(lexicon: Lexicon, phrases: Set<string>): void {
  const add = (text: string, flags: number): void => {
    for (const name of text.trim().split(/[|\n]/)) {
      const [first = ''] = name.split(' ');
      if (first === name) lexicon.add(name, { flags });
      else phrases.add(name);
    }
  };
  add(clearPlaces, flag.place);
  add(ambiguousPlaces, flag.ambiguousPlace);
}

/** Everything the engine knows about words. */
export interface Words {
  readonly lexicon: Lexicon;
  /** Names of places of two or three words, folded, with one space between. */
  readonly placePhrases: ReadonlySet<string>;
}

function buildWords(): Words {
  const lexicon = new Lexicon();
  const placePhrases = new Set<string>();
  addSpeech(lexicon);
  addNames(lexicon);
  addForms(lexicon);
  addCues(lexicon);
  addPlaces(lexicon, placePhrases);
  for (const name of placePhrases) {
    lexicon.add(name.slice(0, name.indexOf(' ')), { flags: flag.placeStart });
  }
  return { lexicon, placePhrases };
}

let built: Words | undefined;

/** The words, built at first use (about 20 ms) and shared: they never change. */
export function words(): Words {
  built ??= buildWords();
  return built;
}
