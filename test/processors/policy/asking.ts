// Test support: questions as `policy explain` reads them, against the rules as shipped.

import { explain, explainContext, type Explanation } from '../../../processors/policy/explain.js';
import { loadRulebook } from '../../../processors/policy/rulebook.js';

export const rulebook = loadRulebook();
export const context = explainContext(rulebook);

export interface Asked {
  readonly to?: unknown;
  readonly at?: unknown;
  readonly channel?: unknown;
  readonly purpose?: unknown;
  readonly zone?: unknown;
  readonly region?: unknown;
  readonly line?: unknown;
  readonly automated?: unknown;
}

/** A marketing text unless said otherwise. */
export const ask = (asked: Asked): Explanation =>
  explain({ channel: 'sms', purpose: 'marketing', ...asked }, context);

/** `approved`, or when it is allowed, or `blocked`. */
export function short(asked: Asked): string {
  const { verdict, until } = ask(asked);
  return until ?? verdict;
}
