// The read models, in the order in which they are written.

import type { HotTier } from '../log/hot-tier.js';
import type { Evolver } from '../schemas/aggregates.js';
import { aggregateState } from './aggregate-state.js';
import { callTimeline } from './call-timeline.js';
import { calls } from './calls.js';
import { deadLetters } from './dead-letters.js';
import { legs } from './legs.js';
import { messages } from './messages.js';
import type { Projection } from './projection.js';
import { records } from './records.js';
import { stats } from './stats.js';
import { timers } from './timers.js';
import { unattributed } from './unattributed.js';

/**
 * All read models; `aggregate_state` folds with the evolver the decisions use, and tells the hot tier, where
 * there is one, what it has committed.
 */
export const createProjections = (
  evolver: Evolver,
  hotTier: HotTier | null = null,
): readonly Projection[] => [
  aggregateState(evolver, hotTier),
  calls,
  legs,
  callTimeline,
  messages,
  records,
  deadLetters,
  stats,
  timers,
  unattributed,
];
