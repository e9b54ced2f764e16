// Policy: what a decision says. Verdicts name their rules with version and source, the zones that were looked at
// and why, and one sentence of reason; they hold no number.

import type { ZoneSource } from './places.js';

/** One rule's part in a verdict. */
export interface Finding {
  readonly id: string;
  readonly version: number;
  readonly effect: 'allows' | 'defers' | 'blocks' | 'overridden';
  readonly words: string;
  /** Statute, regulation, setting or event it stands on. */
  readonly source: string;
  readonly confidence: string;
}

/** What a gate other than the clocks found: suppression, consent, caps, budgets, guardrails. */
export interface GateFinding extends Finding {
  /** When a gate that defers would let it pass (ms); a gate that cannot say when blocks. */
  readonly until?: number;
}

/** A clock that was looked at. */
export interface ZoneFinding {
  readonly zone: string;
  readonly source: ZoneSource;
  /** Local date and time there, `2026-11-01 20:30`. */
  readonly local: string;
}

/** The answer. `until` is set for `deferred` alone: the first instant (ms) at which it would be approved. */
export interface Verdict {
  readonly verdict: 'approved' | 'blocked' | 'deferred';
  readonly until: number | null;
  /** Those that stop the contact first. */
  readonly rules: readonly Finding[];
  readonly zones: readonly ZoneFinding[];
  /** What had to be assumed, in words. */
  readonly notes: readonly string[];
  readonly reason: string;
  /** Versions of what the verdict was made with. */
  readonly versions: { readonly rules: string; readonly numbering: string };
}
