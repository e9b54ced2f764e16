// Policy: one verdict of everything that has a say. In: a question, what the other gates found, rules and tables.
// Out: a verdict. Blocked beats deferred beats approved; the order of gates is that of docs/policy.md.

import type { RegionHold } from './quiet-hours.js';
import type { Numbering } from './numbering.js';
import type { Rule } from './rule-file.js';
import {
  closedText,
  judgeHours,
  untilText,
  type HoursContext,
  type HoursVerdict,
} from './hours-verdict.js';
import type { Question } from './question.js';
import type { Finding, GateFinding, Verdict } from './verdict.js';
import { consentRulesAt, gatesOf, type Standing } from './gates.js';
import { liftedBy, type Override } from './guardrails.js';

/** What every decision is made with: rules and tables, what operators declared, who overrides. */
export interface DecideContext {
  readonly rules: readonly Rule[];
  readonly rulesVersion: string;
  readonly numbering: Numbering;
  readonly holds: readonly RegionHold[];
  readonly overrides: readonly Override[];
}

/** Decides. Everything is judged, so that the verdict names every reason and not only the first. */
export function decide(question: Question, standing: Standing, context: DecideContext): Verdict {
  const lifted = liftedBy(context.overrides, question.recipient.number, question.at);
  const hoursContext: HoursContext = {
    ...{ numbering: context.numbering, holds: context.holds, lifted },
    rules: [...context.rules, ...(standing.guardrails?.hours ?? [])],
  };
  const hours = judgeHours(question, hoursContext);
  return combine(question, gatesOf(question, standing, hours.binding, lifted), hours, context);
}

function combine(
  question: Question,
  gates: readonly GateFinding[],
  hours: HoursVerdict,
  context: DecideContext,
): Verdict {
  const findings = [...gates.map(withoutUntil), ...hours.findings].sort(byEffect);
  const said = {
    rules: findings,
    zones: hours.zones,
    notes: [...question.notes, ...hours.notes, ...consentNote(question, gates, hours)],
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

/** Where a rule asks for consent and nobody looked it up, an approval of the clocks is not enough. */
function consentNote(
  { at }: Question,
  gates: readonly GateFinding[],
  { binding }: HoursVerdict,
): string[] {
  if (gates.some(({ id }) => id === 'CONSENT')) return [];
  const rules = consentRulesAt(binding, at).map(({ id }) => id);
  return rules.length === 0
    ? []
    : [`${rules.join(', ')}: only with prior consent, which was not looked up here`];
}
