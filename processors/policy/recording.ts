// Policy: may this call be recorded, and must it be announced. In: where both ends are, what each agreed to. Out: a
// verdict with its reason. The stricter end wins; a place that is not known counts as all-party.

import { z } from 'zod';

import type { ConsentStanding } from './consent.js';

const file = z.object({
  version: z.string(),
  federal: z.object({ rule: z.literal('one-party'), cite: z.string() }),
  allParty: z.array(z.object({ state: z.string(), cite: z.string(), nuance: z.string() })),
  mixed: z.array(z.object({ state: z.string(), cite: z.string(), nuance: z.string() })),
});

/** The table of recording laws, read. */
export type RecordingRules = z.infer<typeof file>;

/** Reads the table; throws where it has not its shape. */
export const readRecordingRules = (json: unknown): RecordingRules => file.parse(json);

/** One end of a call. Null where it is not known. */
export interface CallEnd {
  readonly country: string | null;
  readonly region: string | null;
  readonly consent: ConsentStanding;
}

/** What may be done, and what first. */
export interface RecordingVerdict {
  readonly verdict: 'allowed' | 'announce_first' | 'blocked';
  readonly mode: 'one-party' | 'all-party';
  readonly rules: readonly string[];
  readonly reason: string;
  readonly version: string;
}

/** Whether the announcement was made in this call, before media is kept, and is part of the recording. */
export interface RecordingFacts {
  readonly isAnnounced: boolean;
  /** Somebody objected after the announcement. */
  readonly isObjected: boolean;
}

/** Countries that ask for a basis of their own: going on with the call is no consent there. */
const needsExplicit = new Set(
  'AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO'.split(
    ' ',
  ),
);

interface EndRule {
  readonly id: string;
  readonly mode: 'one-party' | 'all-party';
  readonly isExplicit: boolean;
}

/** Judges the recording of a call between two or more ends. No end known is as strict as can be. */
export function judgeRecording(
  ends: readonly CallEnd[],
  facts: RecordingFacts,
  rules: RecordingRules,
): RecordingVerdict {
  const found = ends.map((end) => ruleOf(end, rules));
  const isAllParty = found.length < 2 || found.some(({ mode }) => mode === 'all-party');
  const said = {
    mode: isAllParty ? ('all-party' as const) : ('one-party' as const),
    rules: [...new Set(found.map(({ id }) => id))],
    version: rules.version,
  };
  const refuser = ends.find(({ consent }) => consent === 'denied' || consent === 'withdrawn');
  if (refuser !== undefined || facts.isObjected) {
    return { verdict: 'blocked', reason: 'one of the parties refused to be recorded', ...said };
  }
  if (!isAllParty) {
    return { verdict: 'allowed', reason: 'every end is under one-party law', ...said };
  }
  const missing = ends.filter(({ consent }) => consent !== 'granted');
  if (ends.length > 1 && missing.length === 0) {
    return { verdict: 'allowed', reason: 'every party agreed', ...said };
  }
  const explicit = found.find(({ isExplicit }, index) => {
    return isExplicit && ends[index]?.consent !== 'granted';
  });
  if (!facts.isAnnounced) {
    const reason = 'all-party law, or a place that is not known: announce before media is kept';
    return { verdict: 'announce_first', reason, ...said };
  }
  if (explicit !== undefined) {
    const reason = `${explicit.id}: staying on the line is no consent; ask, and record from the yes on`;
    return { verdict: 'blocked', reason, ...said };
  }
  return { verdict: 'allowed', reason: 'announced, and nobody objected', ...said };
}

function ruleOf({ country, region }: CallEnd, rules: RecordingRules): EndRule {
  if (country === null) return { id: 'unknown place', mode: 'all-party', isExplicit: false };
  if (country !== 'US') {
    return { id: country, mode: 'all-party', isExplicit: needsExplicit.has(country) };
  }
  if (region === null) return { id: 'US, state unknown', mode: 'all-party', isExplicit: false };
  const state = rules.allParty.find((one) => one.state === region);
  if (state !== undefined) {
    return { id: `US-${region} ${state.cite}`, mode: 'all-party', isExplicit: false };
  }
  return { id: `US ${rules.federal.cite}`, mode: 'one-party', isExplicit: false };
}
