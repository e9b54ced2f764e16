// Policy: one verdict of everything that has a say. In: a question, what the other gates found, rules and tables.
// Out: a verdict. Blocked beats deferred beats approved; the order of gates is that of docs/policy.md.

import { closedText, judgeHours, untilText, type HoursContext } from './hours-verdict.js';
import type { Question } from './question.js';
import type { Finding, Verdict } from './verdict.js';

/** What a gate other than the clocks found: suppression, consent, caps, budgets, guardrails. */
export interface GateFinding extends Finding {
  /** When a gate that defers would let it pass (ms); a gate that cannot say when blocks. */
  readonly until?: number;
}

/** Rules and tables, with the version of the rules. */
export interface DecideContext extends HoursContext {
  readonly rulesVersion: string;
}

/** Decides. Everything is judged, so that the verdict names every reason and not only the first. */
export function decide(
  question: Question,
  gates: readonly GateFinding[],
  context: DecideContext,
): Verdict {
  const hours = judgeHours(question, context);
  const findings = [...gates.map(withoutUntil), ...hours.findings].sort(byEffect);
  const said = {
    rules: findings,
    zones: hours.zones,
    notes: [...question.notes, ...hours.notes],
    versions: { rules: context.rulesVersion, numbering: context.numbering.version },
  };
  if (findings.some(({ effect }) => effect === 'blocks')) {
    return { verdict: 'blocked', until: null, reason: closedText(findings), ...said };
  }
  const waits = gates.filter(({ effect }) => effect === 'defers');
  if (hours.isOpen && waits.length === 0) {
    return { verdict: 'approved', until: null, reason: approvedText(findings), ...said };
  }
  const from = Math.max(question.at, ...waits.map(({ until }) => until ?? Infinity));
  const until = from === Infinity ? null : hours.nextFrom(from);
  if (until === null) {
    const reason = `${closedText(findings)}; no time is known at which it would be allowed`;
    return { verdict: 'blocked', until, reason, ...said };
  }
  const when = untilText(hours.zones[0]?.zone, until);
  return { verdict: 'deferred', until, reason: `${closedText(findings)}; until ${when}`, ...said };
}

const order = { blocks: 0, defers: 1, overridden: 2, allows: 3 } as const;

const byEffect = (one: Finding, other: Finding): number => order[one.effect] - order[other.effect];

const withoutUntil = ({
  id,
  version,
  effect,
  words,
  source,
  confidence,
}: GateFinding): Finding => ({
  ...{ id, version, effect, words, source, confidence },
});

function approvedText(findings: readonly Finding[]): string {
  const lifted = findings.filter(({ effect }) => effect === 'overridden').map(({ id }) => id);
  if (lifted.length > 0) return `allowed by an override of ${lifted.join(', ')}`;
  return `every rule that binds here allows it (${findings.map(({ id }) => id).join(', ')})`;
}
