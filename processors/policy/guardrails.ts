// Policy: what a tenant does not want, whatever the law allows, and the person who may decide otherwise. In:
// settings, an override, a contact. Out: whether they stop it, or which rules are lifted. Never lifts a refusal.

import type { Rule } from './rule-file.js';

/** A tenant's own limits; all absent is none. */
export interface Guardrails {
  /** Everything is stopped: a fault, an incident. */
  readonly killSwitch?: { readonly by: string; readonly reason: string };
  /** ISO 3166-1. A recipient who may be elsewhere is not contacted. */
  readonly countries?: readonly string[];
  readonly purposes?: readonly ('marketing' | 'service' | 'research')[];
  /** Hours narrower than the law's, as rules of the rule file; they add to it and never widen it. */
  readonly hours?: readonly Rule[];
}

/** Why a tenant's limits stop a contact; null where they do not. */
export function guardrailStops(
  { killSwitch, countries, purposes }: Guardrails,
  contact: {
    readonly purpose: 'marketing' | 'service' | 'research';
    readonly countries: readonly string[];
  },
): { readonly id: string; readonly words: string } | null {
  if (killSwitch !== undefined) {
    const words = `all contacts are stopped by ${killSwitch.by}: ${killSwitch.reason}`;
    return { id: 'KILL-SWITCH', words };
  }
  if (purposes?.includes(contact.purpose) === false) {
    return { id: 'PURPOSES', words: `contacts for ${contact.purpose} are not among those allowed` };
  }
  if (countries === undefined) return null;
  const outside = contact.countries.filter((country) => !countries.includes(country));
  if (contact.countries.length > 0 && outside.length === 0) return null;
  const where = contact.countries.length === 0 ? 'a country that is not known' : outside.join(', ');
  return { id: 'COUNTRIES', words: `the recipient may be in ${where}, not among those allowed` };
}

/** A person's decision to contact one recipient although a rule says no; recorded as its own event. */
export interface Override {
  readonly id: string;
  readonly actor: string;
  readonly role: string;
  readonly reasonCode: string;
  readonly reason: string;
  /** Exactly one. */
  readonly recipient: string;
  /** Rules lifted, by id. */
  readonly rules: readonly string[];
  readonly from: number;
  readonly minutes: number;
}

/** Longest an override may hold: minutes, not days. */
export const longestOverrideMinutes = 120;

/** What no override lifts, by the id of its finding. */
const neverLifted = new Set([
  'OPT-OUT',
  'CONSENT',
  'KILL-SWITCH',
  'PLACE-UNKNOWN',
  'COUNTRIES',
  'PURPOSES',
  'BUDGET',
]);

/** Roles that may override. */
const mayOverride = new Set(['admin', 'manager']);

/** What is wrong with an override, by field; empty for one that may be recorded. */
export function overrideFaults(override: Override): string[] {
  const faults: string[] = [];
  if (override.actor.trim() === '') faults.push('actor: who decides');
  if (!mayOverride.has(override.role)) faults.push('role: admin or manager');
  if (override.reason.trim() === '') faults.push('reason: in words');
  if (override.reasonCode.trim() === '') faults.push('reasonCode: one of your own');
  if (!/^\+[1-9]\d{5,14}$/.test(override.recipient)) faults.push('recipient: one E.164 number');
  if (override.rules.length === 0) faults.push('rules: those that are lifted, by id');
  const firm = override.rules.filter((rule) => neverLifted.has(rule));
  if (firm.length > 0) faults.push(`rules: ${firm.join(', ')} cannot be lifted`);
  const { minutes } = override;
  if (!Number.isInteger(minutes) || minutes < 1 || minutes > longestOverrideMinutes) {
    faults.push(`minutes: 1 to ${longestOverrideMinutes}`);
  }
  return faults;
}

/** The rules that overrides lift for a recipient at an instant; one with faults lifts nothing. */
export function liftedBy(
  overrides: readonly Override[],
  recipient: string,
  at: number,
): ReadonlySet<string> {
  const valid = overrides.filter(
    (one) =>
      one.recipient === recipient &&
      at >= one.from &&
      at < one.from + one.minutes * 60_000 &&
      overrideFaults(one).length === 0,
  );
  return new Set(valid.flatMap(({ rules }) => rules));
}
