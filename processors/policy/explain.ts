// Policy: a question on a line, answered. In: an object of unknown make. Out: the verdict with every rule in words,
// or the field that is wrong. Never throws for what a line holds; what cannot be judged is blocked.

import { decide, type DecideContext } from './decide.js';
import { readQuestion } from './question.js';
import type { Rulebook } from './rulebook.js';
import type { Finding, Verdict, ZoneFinding } from './verdict.js';

/** An answer as it is written on a line. */
export interface Explanation {
  readonly id?: string | number;
  readonly verdict: Verdict['verdict'];
  /** The first instant at which it would be approved, UTC. */
  readonly until?: string;
  readonly rules: readonly Finding[];
  readonly zones: readonly ZoneFinding[];
  readonly reason: string;
  readonly notes?: readonly string[];
  readonly versions?: Verdict['versions'];
  /** For a line that cannot be judged: which field, and what to give. */
  readonly error?: { readonly field: string; readonly detail: string };
}

/** The rules alone: no holds, no overrides. */
export function explainContext({ file, numbering }: Rulebook): DecideContext {
  return {
    ...{ rules: file.rules, rulesVersion: file.version, numbering },
    ...{ holds: [], overrides: [] },
  };
}

/** Answers one question. */
export function explain(input: unknown, context: DecideContext): Explanation {
  const id = idOf(input);
  const reading = readQuestion(input, context.numbering);
  if (!reading.ok) return refusal(reading.field, reading.detail, id);
  const { until, notes, ...verdict } = decide(reading.question, {}, context);
  return {
    ...(id === undefined ? {} : { id }),
    ...{ verdict: verdict.verdict, ...(until === null ? {} : { until: iso(until) }) },
    ...{ rules: verdict.rules, zones: verdict.zones, reason: verdict.reason },
    ...(notes.length === 0 ? {} : { notes }),
    versions: verdict.versions,
  };
}

/** Answers a line of NDJSON; null stands for a line that is not text. */
export function explainLine(line: string | null, context: DecideContext): Explanation {
  if (line === null) return refusal('line', 'not UTF-8, or longer than 32 MiB', undefined);
  let input: unknown;
  try {
    input = JSON.parse(line);
  } catch {
    return refusal('line', 'not JSON', undefined);
  }
  return explain(input, context);
}

function refusal(field: string, detail: string, id: Explanation['id']): Explanation {
  return {
    ...(id === undefined ? {} : { id }),
    ...{ verdict: 'blocked', rules: [], zones: [], reason: `${field}: ${detail}` },
    error: { field, detail },
  };
}

function idOf(input: unknown): Explanation['id'] {
  if (typeof input !== 'object' || input === null || !('id' in input)) return undefined;
  const { id } = input;
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}

const iso = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');
