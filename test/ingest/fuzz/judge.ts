// Fuzzing: the judgement of one delivery. Comes in: a base and what happened to it. Goes out: what is wrong
// with how ingest took it, or null. A crash, a hang, an accepted change of what was signed is wrong.

import { mapDelivery, providerNames, providerOf } from '../../../ingest/providers/registry.js';
import { verifyDelivery } from '../../../ingest/verify.js';
import type { OutgoingDelivery } from '../../../ingest/providers/provider.js';
import { factsOf } from '../../../processors/fact-shape.js';
import type { MappedDelivery, VerifiedDelivery } from '../../../schemas/stages.js';
import { decodeContent, encodeContent } from '../../../schemas/delivery-content.js';
import { seededRandom, type Random } from '../../../cli/simulator/random.js';
import { isUnbound, nowMs, rawOf, type Base } from './bases.js';
import { huge, ofContent, onTheWay, type Mutation } from './mutations.js';
import { sdkTakes } from './sdk-judges.js';
import { withOddValue } from './values.js';

/** One thing that happens to a delivery; `seed` is its chance. */
export interface Step {
  readonly name: string;
  readonly seed: number;
}

/** A delivery and what happens to it, after it was signed or before. */
export interface Case {
  readonly base: Base;
  readonly mode: 'on the way' | 'signed so';
  readonly steps: readonly Step[];
}

const mutations: Readonly<Record<string, Mutation>> = {
  ...onTheWay,
  ...huge,
  oddValue: (request, random) => ({ ...request, body: withOddValue(request.body, random) }),
  oddQuery(request, random) {
    const query = request.url.indexOf('?');
    if (query === -1) return request;
    const changed = withOddValue(Buffer.from(request.url.slice(query + 1)), random);
    return { ...request, url: `${request.url.slice(0, query + 1)}${changed.toString('latin1')}` };
  },
};

const namesOf = {
  'on the way': Object.keys(onTheWay),
  'signed so': [...Object.keys(ofContent), ...Array<string>(12).fill('oddValue'), 'oddQuery'],
} as const;
const hugeNames = Object.keys(huge);

const byProvider = new WeakMap<readonly Base[], readonly (readonly Base[])[]>();

/** Every provider as often as every other, however many deliveries of it are stored. */
function someBase(bases: readonly Base[], random: Random): Base {
  const groups =
    byProvider.get(bases) ??
    providerNames
      .map((name) => bases.filter(({ provider }) => provider === name))
      .filter((group) => group.length > 0);
  byProvider.set(bases, groups);
  const group = groups[random.between(0, groups.length - 1)];
  const base = group?.[random.between(0, group.length - 1)];
  if (base === undefined) throw new Error('nothing to begin with');
  return base;
}

/** The next case of a run. */
export function nextCase(bases: readonly Base[], random: Random): Case {
  const base = someBase(bases, random);
  const mode = random.chance(0.7) ? 'on the way' : 'signed so';
  const names: readonly string[] = random.chance(0.003) ? hugeNames : namesOf[mode];
  const steps = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => ({
    name: names[random.between(0, names.length - 1)] ?? '',
    seed: random.between(0, 2 ** 31 - 1),
  }));
  return { base, mode, steps };
}

/** The request that a case comes to; null where nothing changed or nothing can sign it. */
export function requestOf({ base, mode, steps }: Case): OutgoingDelivery | null {
  let request = base.request;
  for (const { name, seed } of steps)
    request = mutations[name]?.(request, seededRandom(seed)) ?? request;
  if (mode === 'on the way') return request;
  return providerOf(base.provider).sign(request, base.sender, nowMs);
}

/** Longest time that one delivery may take, in ms, whatever it holds. */
const mostMs = 250;

const reasonOf = (thrown: unknown): string =>
  thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);

/**
 * The facts, by the provider's file itself: a fault in it is a fault here. Content too deep for anybody's stack is
 * the exception; `mapDelivery` keeps it as not understood.
 */
function factsOfDelivery(delivery: VerifiedDelivery): MappedDelivery['facts'] {
  try {
    return providerOf(delivery.provider).map(delivery);
  } catch (thrown) {
    if (thrown instanceof RangeError) return mapDelivery(delivery).facts;
    throw thrown;
  }
}

function unsound(base: Base, request: OutgoingDelivery, mode: Case['mode']): string | null {
  const raw = rawOf(base, request);
  const outcome = verifyDelivery(raw, base.endpoint, nowMs);
  if (!outcome.ok) return null;
  const provider = providerOf(base.provider);
  const facts = factsOfDelivery(outcome.delivery);
  provider.acknowledge(outcome.delivery);
  const raws = { method: raw.method, url: request.url, headers: {}, body: raw.body };
  const decoded = decodeContent(encodeContent({ facts, raw: raws }));
  if (decoded === null || factsOf(decoded) === null) return 'a fact of a shape that is parked';
  if (mode === 'signed so' || isUnbound(base)) return null;
  if (JSON.stringify(facts) === base.meaning) return null;
  const isKnownWeakness = sdkTakes(base.provider, request, base.sender);
  return isKnownWeakness ? null : 'accepted, and means something else';
}

/** What is wrong with a case; null where nothing is. */
export function faultOf(one: Case): string | null {
  const request = requestOf(one);
  if (request === null) return null;
  const judge = (): { readonly fault: string | null; readonly ms: number } => {
    const startedMs = performance.now();
    try {
      const fault = unsound(one.base, request, one.mode);
      return { fault, ms: performance.now() - startedMs };
    } catch (thrown) {
      return { fault: `threw ${reasonOf(thrown)}`, ms: 0 };
    }
  };
  let { fault, ms } = judge();
  // On a machine with more to do a pause is no hang: what is slow is slow again.
  for (let again = 0; again < 3 && ms > mostMs; again += 1) ({ fault, ms } = judge());
  return fault ?? (ms > mostMs ? `took ${Math.round(ms)} ms` : null);
}

/** The case with the fewest steps that still fails. */
export function smallest(one: Case): Case {
  for (const step of one.steps) {
    const fewer = { ...one, steps: one.steps.filter((other) => other !== step) };
    if (fewer.steps.length > 0 && faultOf(fewer) !== null) return smallest(fewer);
  }
  return one;
}
