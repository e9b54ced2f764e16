// Opt-out: a message as it is compared. In: text as somebody typed it, or as a transcript has it. Out: lower-case
// parts without accents, punctuation, quotes and emoji. Bounded: what is beyond the limit is not a short reply.

/** Longest text that is read; a refusal stands at the beginning or at the end of a longer one. */
const limit = 2_000;

/** A message in comparable form. */
export interface Message {
  /** All words, one space between them. */
  readonly whole: string;
  /** The same, split where a sentence or a part of one ends. */
  readonly parts: readonly string[];
  /** Nothing but a stop sign, however often. */
  readonly isStopSign: boolean;
}

const contraction = /(\p{L})['’ʼ‘`´](t|s|d|ll|re|ve|m)\b/gu;

/** Brings a text into comparable form. Half a surrogate pair counts as punctuation. */
export function normalise(text: string): Message {
  const short =
    text.length <= limit ? text : `${text.slice(0, limit / 2)}\n${text.slice(-limit / 2)}`;
  const folded = short
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/ß/g, 'ss')
    .replace(/ı/g, 'i')
    .replace(contraction, '$1$2');
  const parts = folded
    .split(/[.,;:!?¡¿\n\r()…]+|\s[-–—]+\s|[—]/u)
    .map(words)
    .filter((part) => part !== '');
  const isStopSign = /^[🛑✋⛔\s\ufe0f]+$/u.test(short) && short.includes('🛑');
  return { whole: parts.join(' '), parts, isStopSign };
}

const words = (text: string): string => text.replace(/[^\p{L}\p{N}]+/gu, ' ').trim();
