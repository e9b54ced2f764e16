// Redaction: all rules over one unit of text, in order. In: tokens. Out: candidates and the runs of digits among them.

import { findAddresses } from './addresses.js';
import type { Candidates } from './candidates.js';
import { findDates } from './dates.js';
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
  findDates(tokens, found);
  findSpokenEmails(tokens, found);
  const runs = runsOf(tokens);
  findSpoken(tokens, runs, found, isKnown);
  findAddresses(tokens, found);
  findNames(tokens, found);
  findLocations(tokens, found);
  return runs;
}
