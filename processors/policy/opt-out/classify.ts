// Opt-out: what a reply means. In: its text, and whether we had asked. Out: opt-out, opt-in, help or none of them,
// by which words. A refusal that is not clear is none, and marked for a person to read.

import { normalise, type Message } from './normalise.js';
import { refusalIn, refusing } from './refusals.js';
import { isYes, keywordOf, type Keywords } from './words.js';

/** What a reply asks for. */
export interface Classification {
  readonly label: 'opt_out' | 'opt_in' | 'help' | 'none';
  /** 1 a keyword, 2 a refusal in free words, 3 unclear: no marketing until a person has read it. */
  readonly tier: 1 | 2 | 3 | null;
  /** The way of saying it; never the words themselves. */
  readonly rule: string | null;
}

const none: Classification = { label: 'none', tier: null, rule: null };

/**
 * Classifies a text reply. `isAwaited`: we asked whether we may write, and the time to answer has not passed; only
 * then does "yes" mean it.
 */
export function classifyReply(
  text: string,
  { keywords, isAwaited }: { readonly keywords: Keywords; readonly isAwaited: boolean },
): Classification {
  const message = normalise(text);
  const keyword = keywordOf(message, keywords);
  if (keyword !== null) return { label: keyword, tier: 1, rule: 'keyword' };
  const refusal = refusalIn(message.parts) ?? lastWord(message);
  if (refusal !== null) return { label: 'opt_out', tier: 2, rule: refusal };
  if (isAwaited && isYes(message, keywords)) return { label: 'opt_in', tier: 1, rule: 'answer' };
  const unclear = unclearIn(message);
  return unclear === null ? none : { label: 'none', tier: 3, rule: unclear };
}

/** Classifies what a caller said. A single word is no keyword there: people say "stop" and "end" in passing. */
export function classifySpeech(text: string): Classification {
  const { parts, whole } = normalise(text);
  const refusal = refusalIn(parts) ?? refusalIn([whole]);
  return refusal === null || refusal === 'ask to stop' || refusal === 'just stop'
    ? none
    : { label: 'opt_out', tier: 2, rule: refusal };
}

const before = '(?:please |pls |plz |just )*';
const behind = '(?: please| pls| plz| now| thanks)*';
const strong = 'stop|stopall|unsubscribe|unsub|optout|opt out|remove me';
const asSentence = new RegExp(`^${before}(?:${strong}|remove)${behind}$`);
const atEnd = new RegExp(`^(.+) ${before}(?:${strong}|remove)${behind}$`);
const atBegin = new RegExp(`^${before}(?:${strong})${behind} (.+)$`);
const fewWords = 12;

/** STOP as a sentence of its own, or at either end of a short reply whose rest says why. */
function lastWord({ parts, whole }: Message): string | null {
  const last = parts.at(-1) ?? '';
  if (parts.length > 1 && asSentence.test(last)) {
    const isDenied = /\b(?:dont|do not|never)$/.test(parts.at(-2) ?? '');
    if (!isDenied) return 'stop at the end';
  }
  if (whole.split(' ', fewWords + 1).length > fewWords) return null;
  const rest = atEnd.exec(whole)?.[1] ?? atBegin.exec(whole)?.[1] ?? '';
  return refusing.test(rest) ? 'stop with a reason' : null;
}

const doubtful =
  /\b(?:not interested|wrong number|wrong person|never signed up|didnt sign up|stop|unsubscribe|opt out|spam|scam|harass(?:ment|ing)?|report(?:ed|ing)? you|lawyer|fcc|tcpa|do not call)\b/;
const harmless =
  /\b(?:bus|train|truck|pit|full|rest|next|first|last|one|non|whistle) stop|\bstop(?:s|ped|ping)? (?:by|in|at|over|light|sign|watch|off|here|there|on|for)\b|\b(?:dont|never|cant|wont|didnt) stop\b/;

/** Words that may be a refusal: a person reads them, and until then nothing is sold. */
function unclearIn({ whole }: Message): string | null {
  return doubtful.test(whole) && !harmless.test(whole) ? 'may be a refusal' : null;
}
