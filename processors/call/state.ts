// Station processors, pure. What is kept of a call between events: its facts, with each party once.
// Comes in: the JSON of a row. Goes out: the fact set that is folded.

import type { AggregateState } from '../../schemas/aggregates.js';
import type { StoredCallFact } from '../../schemas/call-state.js';
import type { ProviderName } from '../../schemas/facts.js';
import type { CallId, TenantId } from '../../schemas/ids.js';
import type { Party } from '../../schemas/sealed.js';
import { foldCall, type FoldedCall } from './fold.js';
import { rootOf } from './identity.js';

/** A fact whose parties are indexes: nearly every fact of a call names the same two. */
type PackedFact = Omit<StoredCallFact, 'from' | 'to'> & {
  readonly from: number | null;
  readonly to: number | null;
};

/** State of the aggregate `call`. A type, not an interface, so that it is an AggregateState. */
export type CallState = {
  readonly callId: CallId;
  readonly provider: ProviderName;
  /** Set when the facts went to another call; then there are none here. */
  readonly mergedInto: CallId | null;
  /** Facts refused because the set was full. */
  readonly overflow: number;
  readonly parties: readonly Party[];
  readonly facts: readonly PackedFact[];
};

/** State of the aggregate `alias`: where a reference leads. */
export type AliasState = { readonly callId: CallId };

/** Reads a row that `evolve` made. */
export const callStateOf = (state: AggregateState): CallState => state as CallState;
export const aliasStateOf = (state: AggregateState): AliasState => state as AliasState;

export const emptyCall = (callId: CallId, provider: ProviderName): CallState => ({
  callId,
  provider,
  mergedInto: null,
  overflow: 0,
  parties: [],
  facts: [],
});

/** Unpacked facts and their fold, remembered as long as the state itself lives: both follow from it. */
interface Derived {
  readonly facts: readonly StoredCallFact[];
  folded: FoldedCall | null;
}
const derived = new WeakMap<CallState, Derived>();

function derivedOf(state: CallState): Derived {
  const known = derived.get(state);
  if (known !== undefined) return known;
  const { parties } = state;
  const party = (at: number | null): Party | null => (at === null ? null : (parties[at] ?? null));
  const facts = state.facts.map((fact): StoredCallFact => ({
    ...fact,
    from: party(fact.from),
    to: party(fact.to),
  }));
  const made: Derived = { facts, folded: null };
  derived.set(state, made);
  return made;
}

export const factsOf = (state: CallState): readonly StoredCallFact[] => derivedOf(state).facts;

/** The fold of a state that holds at least one fact. */
export function foldedOf(tenant: TenantId, state: CallState): FoldedCall {
  const known = derivedOf(state);
  known.folded ??= foldCall({
    tenant,
    provider: state.provider,
    callId: state.callId,
    rootRef: rootOf(known.facts),
    facts: known.facts,
    overflow: state.overflow,
  });
  return known.folded;
}

/** Spares the next decision the fold that this one has made of the same facts. */
export function rememberFold(state: CallState, folded: FoldedCall): void {
  derivedOf(state).folded = folded;
}

/** The state with one fact more, or with another copy of a fact it holds. */
export function withFact(state: CallState, fact: StoredCallFact): CallState {
  const parties = [...state.parties];
  const packed: PackedFact = {
    ...fact,
    from: indexOf(parties, fact.from),
    to: indexOf(parties, fact.to),
  };
  const at = state.facts.findIndex(({ factId }) => factId === fact.factId);
  const facts = at < 0 ? [...state.facts, packed] : state.facts.with(at, packed);
  const next = { ...state, parties, facts };
  const known = derived.get(state);
  if (known !== undefined) {
    const unpacked = at < 0 ? [...known.facts, fact] : known.facts.with(at, fact);
    derived.set(next, { facts: unpacked, folded: null });
  }
  return next;
}

/** Index of the party, which is added when it is new. */
function indexOf(parties: Party[], party: Party | null): number | null {
  if (party === null) return null;
  const at = parties.findIndex((known) => isSameParty(known, party));
  return at < 0 ? parties.push(party) - 1 : at;
}

const isSameParty = (a: Party, b: Party): boolean =>
  a === b ||
  (a.subjectId === b.subjectId &&
    a.masked === b.masked &&
    a.number.keyId === b.number.keyId &&
    a.number.nonce === b.number.nonce);
