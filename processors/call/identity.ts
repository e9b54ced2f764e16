// Station processors, pure. Identity is a graph: references of legs, parents and sessions, united by
// the links in facts. Comes in: facts. Goes out: the one call id of all that hang together, the same
// whichever fact came first.

import { hash } from 'node:crypto';
import { callId, legId, type CallId, type LegId, type TenantId } from '../../schemas/ids.js';
import type { ProviderName } from '../../schemas/facts.js';
import { compareText } from './order.js';

/** The references in a fact. A leg hangs under its parent and its session, a parent under the session. */
export interface Linked {
  readonly legRef: string;
  readonly parentRef: string | null;
  readonly sessionRef: string | null;
}

/** Digests by name: a call is folded again for each of its facts, its ids stay the same. */
const digests = new Map<string, string>();
const maxDigests = 10_000;

function digest(kind: string, tenant: TenantId, provider: ProviderName, reference: string): string {
  const name = `${kind}\0${tenant}\0${provider}\0${reference}`;
  const known = digests.get(name);
  if (known !== undefined) return known;
  if (digests.size >= maxDigests) digests.clear();
  const made = hash('sha256', name, 'base64url').slice(0, 22);
  digests.set(name, made);
  return made;
}

/** One canonical id per call: 132 bits of a hash of tenant, provider and root reference. */
export const callIdOf = (tenant: TenantId, provider: ProviderName, rootRef: string): CallId =>
  callId(`call_${digest('call', tenant, provider, rootRef)}`);

export const legIdOf = (tenant: TenantId, provider: ProviderName, legRef: string): LegId =>
  legId(`leg_${digest('leg', tenant, provider, legRef)}`);

/** Key of the alias of a reference. */
export const aliasKey = (provider: ProviderName, reference: string): string =>
  `${provider}:${reference}`;

/** The references of facts, each once, in the order of first mention. */
export function refsOf(facts: Iterable<Linked>): readonly string[] {
  const refs = new Set<string>();
  for (const { legRef, parentRef, sessionRef } of facts) {
    refs.add(legRef);
    if (parentRef !== null) refs.add(parentRef);
    if (sessionRef !== null) refs.add(sessionRef);
  }
  return [...refs];
}

/**
 * The root of facts that hang together: the reference that hangs under no other. Where a provider
 * contradicts itself (two parents, a ring) the smallest, so that the choice depends on the set alone.
 */
export function rootOf(facts: Iterable<Linked>): string {
  const all = new Set<string>();
  const below = new Set<string>();
  for (const { legRef, parentRef, sessionRef } of facts) {
    all.add(legRef);
    if (parentRef !== null && parentRef !== legRef) {
      all.add(parentRef);
      below.add(legRef);
    }
    if (sessionRef !== null && sessionRef !== legRef) {
      all.add(sessionRef);
      below.add(legRef);
      if (parentRef !== null && parentRef !== sessionRef) below.add(parentRef);
    }
  }
  const tops = below.size === all.size ? all : [...all].filter((ref) => !below.has(ref));
  let root: string | null = null;
  for (const ref of tops) if (root === null || compareText(ref, root) < 0) root = ref;
  if (root === null) throw new Error('a call without facts has no root');
  return root;
}
