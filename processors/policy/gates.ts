// Policy: the gates beside the clocks, in the order in which they are told. In: a question and what is known of the
// recipient and the tenant. Out: findings of each gate. Pure; what is not looked up is not judged, and said so.

import { consentAt, consentGate, consentPurposeOf, type ConsentState } from './consent.js';
import { guardrailStops, type Guardrails } from './guardrails.js';
import {
  capAllowsAt,
  judgeBudget,
  type Attempts,
  type Budget,
  type ContactCap,
  type Spending,
} from './limits.js';
import type { Question } from './question.js';
import type { Rule } from './rule-file.js';
import { suppressedBy, type SuppressionState } from './suppression.js';
import type { GateFinding } from './verdict.js';

/** What is known of a contact beside the clocks. A part that is absent was not looked up. */
export interface Standing {
  readonly suppression?: SuppressionState;
  /** The programme the contact belongs to. */
  readonly programme?: string;
  /** The opt-out that this very text confirms. */
  readonly confirms?: string;
  readonly consent?: { readonly state: ConsentState; readonly isRequired: boolean };
  /** Attempts to this recipient about this subject; `caps` are the tenant's own, beside those of the rules. */
  readonly attempts?: { readonly past: Attempts; readonly caps: readonly ContactCap[] };
  readonly budget?: {
    readonly limit: Budget;
    readonly spent: Spending;
    /** What this contact will cost, estimated, in millionths. */
    readonly amount: number;
  };
  readonly guardrails?: Guardrails;
}

/** Every gate's finding. `binding` are the rules that bind; of these gates an override lifts caps alone. */
export function gatesOf(
  question: Question,
  standing: Standing,
  binding: readonly Rule[],
  lifted: ReadonlySet<string>,
): GateFinding[] {
  return [
    ...guardrailGate(question, standing),
    ...suppressionGate(question, standing),
    ...consentFindings(question, standing, binding),
    ...capGates(question, standing, binding, lifted),
    ...budgetGate(question, standing),
  ];
}

const house = { version: 1, confidence: 'house rule' } as const;

function guardrailGate({ purpose, recipient }: Question, { guardrails }: Standing): GateFinding[] {
  const stop =
    guardrails && guardrailStops(guardrails, { purpose, countries: recipient.countries });
  if (stop === undefined || stop === null) return [];
  return [{ ...house, ...stop, effect: 'blocks', source: 'a setting of the tenant' }];
}

function suppressionGate({ channel, purpose }: Question, standing: Standing): GateFinding[] {
  if (standing.suppression === undefined) return [];
  const { programme = null, confirms } = standing;
  const asked = { channel, purpose, programme, ...(confirms === undefined ? {} : { confirms }) };
  const by = suppressedBy(standing.suppression, asked);
  if (by === null) return [];
  const words =
    by.source === 'review'
      ? 'a reply that may be a refusal waits to be read; no marketing until then'
      : `the person opted out (${by.source.replace('_', ' ')})`;
  return [{ ...house, id: 'OPT-OUT', effect: 'blocks', words, source: `event ${by.id}` }];
}

function consentFindings(
  { channel, purpose, at }: Question,
  { consent }: Standing,
  binding: readonly Rule[],
): GateFinding[] {
  if (consent === undefined) return [];
  const wanted = consentPurposeOf(channel, purpose);
  const isRequired = consent.isRequired || consentRulesAt(binding, at).length > 0;
  const { isAllowed, words } = consentGate(consentAt(consent.state, wanted, at), isRequired);
  const source = consent.state[wanted]?.id;
  return [
    {
      ...{ ...house, id: 'CONSENT', effect: isAllowed ? 'allows' : 'blocks', words },
      source: source === undefined ? 'no record' : `consent ${source}`,
    },
  ];
}

function capGates(
  { at }: Question,
  { attempts }: Standing,
  binding: readonly Rule[],
  lifted: ReadonlySet<string>,
): GateFinding[] {
  if (attempts === undefined) return [];
  return [...attempts.caps, ...capsOf(binding)].map((cap): GateFinding => {
    const until = capAllowsAt(cap, attempts.past, at);
    const hours = cap.windowMs / 3_600_000;
    const words = `at most ${cap.max} attempts in ${hours} hours on one subject`;
    const said = { ...house, id: cap.id, words, source: cap.source };
    if (until === at) return { ...said, effect: 'allows' };
    return lifted.has(cap.id)
      ? { ...said, effect: 'overridden' }
      : { ...said, effect: 'defers', until };
  });
}

function budgetGate({ at }: Question, { budget }: Standing): GateFinding[] {
  if (budget === undefined) return [];
  const { state, until, which } = judgeBudget(budget.limit, budget.spent, at, budget.amount);
  const said = { ...house, id: 'BUDGET', source: 'a setting of the tenant' };
  if (state === 'stopped') {
    const words = `the budget of the ${which ?? 'day'} is used up`;
    return [{ ...said, words, effect: 'defers', ...(until === null ? {} : { until }) }];
  }
  const words =
    state === 'warned'
      ? `90 % of the budget of the ${which ?? 'day'} is used`
      : 'there is budget left';
  return [{ ...said, words, effect: 'allows' }];
}

/** The caps of the rules that bind. */
function capsOf(rules: readonly Rule[]): ContactCap[] {
  return rules.flatMap(({ id, attemptCap, citation }) =>
    attemptCap === undefined
      ? []
      : [
          {
            ...{ id: `${id}-CAP`, max: attemptCap.max, source: citation },
            windowMs: attemptCap.windowHours * 3_600_000,
          },
        ],
  );
}

/** The rules under which nobody is contacted without prior consent at this time. */
export function consentRulesAt(binding: readonly Rule[], at: number): readonly Rule[] {
  return binding.filter(
    ({ consentFrom }) => consentFrom !== undefined && at >= consentFrom * 86_400_000,
  );
}
