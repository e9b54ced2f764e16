// Opt-out: messages that are a keyword and nothing more. In: a message in comparable form. Out: what it asks for.
// The words are those of rules/opt-out-words.json; courtesies around them change nothing.

import { z } from 'zod';

import { normalise, type Message } from './normalise.js';

const wordFile = z.object({
  version: z.string(),
  platform: z.object({
    stop: z.array(z.string()),
    start: z.array(z.string()),
    startOnlyAfterPrompt: z.array(z.string()),
    help: z.array(z.string()),
    languages: z.record(z.string(), z.array(z.string())),
  }),
  twilio: z.object({ stop: z.array(z.string()), proxyExtraStop: z.array(z.string()) }),
  aws: z.object({ stop: z.array(z.string()) }),
});

/** Help words among those of the languages, as the file's own note says. */
const helpInLanguages = ['AIDE', 'HILFE', 'AJUDA', 'AIUTO'];

/** The words by what they ask for, in comparable form. */
export interface Keywords {
  readonly version: string;
  readonly stop: ReadonlySet<string>;
  readonly start: ReadonlySet<string>;
  /** Asks for messages only as an answer to our own question. */
  readonly startAfterPrompt: ReadonlySet<string>;
  readonly help: ReadonlySet<string>;
}

/** Reads the file of words; throws where it has not its shape. */
export function readKeywords(json: unknown): Keywords {
  const { version, platform, twilio, aws } = wordFile.parse(json);
  const foreign = Object.values(platform.languages).flat();
  const stop = foreign.filter((word) => !helpInLanguages.includes(word));
  return {
    version,
    stop: wordSet([
      ...[...platform.stop, ...twilio.stop, ...twilio.proxyExtraStop, ...aws.stop, ...stop],
    ]),
    start: wordSet(platform.start),
    startAfterPrompt: wordSet(platform.startOnlyAfterPrompt),
    help: wordSet([...platform.help, ...helpInLanguages]),
  };
}

const wordSet = (list: readonly string[]): ReadonlySet<string> =>
  new Set(list.map((word) => normalise(word).whole));

/** Courtesies and emphasis that leave a keyword what it is. */
const courtesies = new Set(
  (
    'please pls plz plse pleas kindly just now immediately thanks thank thx ty you u hi hello hey ok okay sir maam ' +
    'immediatly asap already again and this it me all por favor gracias svp merci bitte danke obrigado obrigada ' +
    'grazie per favore sil vous plait s il te'
  ).split(' '),
);

/** Objects that go with a stop word and with nothing else: "end this" and "stop all" are stops, "help this" asks nothing. */
const onlyWithStop = new Set(['this', 'it', 'me', 'all', 'and', 'again', 'already']);

export type KeywordLabel = 'opt_out' | 'opt_in' | 'help';

/** What a message asks for that is one keyword, perhaps repeated or with courtesies; null for any other. */
export function keywordOf({ whole, isStopSign }: Message, keywords: Keywords): KeywordLabel | null {
  const spelt = /^(?:\p{L} )+\p{L}$/u.test(whole) ? whole.replaceAll(' ', '') : whole;
  if (isStopSign || keywords.stop.has(spelt)) return 'opt_out';
  if (keywords.start.has(whole)) return 'opt_in';
  if (keywords.help.has(whole) || keywords.help.has(polite(whole, false))) return 'help';
  const bare = polite(whole, true);
  if (bare === '') return null;
  if (keywords.stop.has(bare) || isMisspelt(bare)) return 'opt_out';
  const parts = new Set(bare.split(' '));
  const isRepeated = parts.size <= 2 && [...parts].every((word) => keywords.stop.has(word));
  return isRepeated ? 'opt_out' : null;
}

/** Whether the message is the answer to our own question whether we may write. */
export function isYes({ whole }: Message, keywords: Keywords): boolean {
  return (
    keywords.startAfterPrompt.has(whole) || keywords.startAfterPrompt.has(polite(whole, false))
  );
}

function polite(whole: string, isStop: boolean): string {
  return whole
    .split(' ')
    .filter((word) => !courtesies.has(word) || (!isStop && onlyWithStop.has(word) && word !== 'me'))
    .join(' ');
}

/** Words one keystroke from STOP that are words of their own. */
const otherWords = new Set(
  (
    'spot post step shop slop atop top tops stow stomp strop stoop stops sop stoep estop stock stood story soap ' +
    'snop crop drop prop chop shot slot spop swop stob stot stope stopt'
  ).split(' '),
);

/** Long words may have two slips, STOP one, if what comes out is no other word. */
function isMisspelt(word: string): boolean {
  if (word.includes(' ') || word.length > 14) return false;
  if (isNear(word, 'stop', 1)) return !otherWords.has(word);
  const isLong = /^[un]/.test(word) && isNear(word, 'unsubscribe', 3);
  return isLong || word === 'cancle';
}

/** Whether two words are within a number of slips: a letter wrong, left out, too many, or two swapped. */
function isNear(word: string, target: string, most: number): boolean {
  if (Math.abs(word.length - target.length) > most) return false;
  let before: number[] = [];
  let row = Array.from({ length: target.length + 1 }, (_, index) => index);
  for (let i = 1; i <= word.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= target.length; j += 1) {
      const cost = word[i - 1] === target[j - 1] ? 0 : 1;
      const at = (list: readonly number[], index: number): number => list[index] ?? Infinity;
      let best = Math.min(at(row, j) + 1, at(next, j - 1) + 1, at(row, j - 1) + cost);
      const isSwapped = word[i - 1] === target[j - 2] && word[i - 2] === target[j - 1];
      if (i > 1 && j > 1 && isSwapped) best = Math.min(best, at(before, j - 2) + 1);
      next.push(best);
    }
    before = row;
    row = next;
  }
  return (row[target.length] ?? Infinity) <= most;
}
