// Redaction: all rules over one unit of text, in order. In: tokens. Out: candidates and the runs of digits among them.

import { findAddresses } from './addresses.js';
import type { Candidates } from './candidates.js';
import { findDates } from './dates.js';
import { cue, flag, numberFlags } from './lexicon.js';
import { findLocations } from './locations.js';
import { findNames } from './names.js';
import { findNetwork } from './network.js';
import type { Run } from './runs.js';
import { findSpokenEmails } from './spoken-email.js';
import { findSpoken, runsOf } from './spoken.js';
import type { Tokens } from './tokens.js';
import { findWritten } from './written.js';

/**
 * What is looked for. `speech`: everything, as people say it. `logs`: structured values alone (numbers with a check or a
 * shape, addresses of the net, secrets), for lines that programs write.
 */
export type RedactionProfile = 'speech' | 'logs';

const whereFlags =
  flag.place | flag.ambiguousPlace | flag.placeStart | flag.state | flag.organisation;

/** Every flag and cue that a word of the unit has: most talk has none of what most rules begin with. */
function unionOf(tokens: Tokens): { readonly flags: number; readonly cues: number } {
  let flags = 0;
  let cues = 0;
  for (let i = 0; i < tokens.count; i++) {
    flags |= tokens.flags(i);
    cues |= tokens.cues(i);
  }
  return { flags, cues };
}

/** Runs every rule of a profile; the runs of digits are wanted again for echoes. `isKnown`: digits masked before. */
export function findAll(
  tokens: Tokens,
  found: Candidates,
  profile: RedactionProfile,
  isKnown: (digits: string) => boolean,
): readonly Run[] {
  findNetwork(tokens, found);
  findWritten(tokens, found, profile === 'speech');
  if (profile === 'logs') return [];
  const { flags, cues } = unionOf(tokens);
  const hasNumbers = tokens.hasDigits() || (flags & (numberFlags | flag.oh)) !== 0;
  if (hasNumbers || (flags & flag.month) !== 0) findDates(tokens, found);
  if ((cues & (cue.at | cue.dot)) !== 0) findSpokenEmails(tokens, found);
  const runs = runsOf(tokens);
  findSpoken(tokens, runs, found, isKnown);
  if (hasNumbers) findAddresses(tokens, found);
  findNames(tokens, found);
  if (hasNumbers || (flags & whereFlags) !== 0) findLocations(tokens, found);
  return runs;
}
