// Ingest: how far our clock is from others'. Comes in: times that providers signed, that the log gave and
// that the database told. Goes out: a drift per source, and whether it is our own clock that is wrong. Pure.

import type { ProviderName } from '../schemas/facts.js';
import type { EndpointId } from '../schemas/ids.js';

/** Whose clock ours is held against. */
export type ClockSource = 'database' | 'log' | 'providers';

/** From here on a drift is warned of, and from here on an alarm; ms. Signed times may be 300 s off. */
export const warnMs = 30_000;
export const alarmMs = 60_000;

/** Ours less theirs, ms: positive when our clock is ahead. */
export type Drifts = Readonly<Partial<Record<ClockSource, number>>>;

/** That our own clock is the suspect. */
export interface ClockSuspicion {
  /** Ours less theirs, ms; of the sources that agree the nearest to ours. */
  readonly driftMs: number;
  readonly level: 'warn' | 'alarm';
  readonly sources: readonly ClockSource[];
}

/** `fine` below 30 s, `warn` below 60 s. */
export function levelOf(driftMs: number): 'fine' | 'warn' | 'alarm' {
  const off = Math.abs(driftMs);
  if (off < warnMs) return 'fine';
  return off < alarmMs ? 'warn' : 'alarm';
}

/**
 * Whether our clock is the one that is wrong. Many independent senders outweigh the machines beside us,
 * which may share our wrong clock; without enough of them database and log must both say so, and where
 * only one of these is known its word is taken.
 */
export function suspicion(drifts: Drifts): ClockSuspicion | null {
  const { providers, database, log } = drifts;
  if (providers !== undefined) return suspect([['providers', providers]], drifts);
  const beside = [
    ...(database === undefined ? [] : [['database', database] as const]),
    ...(log === undefined ? [] : [['log', log] as const]),
  ];
  return suspect(beside, drifts);
}

function suspect(
  witnesses: readonly (readonly [ClockSource, number])[],
  drifts: Drifts,
): ClockSuspicion | null {
  const [first] = witnesses;
  if (first === undefined) return null;
  const sign = Math.sign(first[1]);
  const isOff = (drift: number): boolean => levelOf(drift) !== 'fine' && Math.sign(drift) === sign;
  if (!witnesses.every(([, drift]) => isOff(drift))) return null;
  const nearest = Math.min(...witnesses.map(([, drift]) => Math.abs(drift)));
  const sources = (Object.keys(drifts) as ClockSource[]).filter((name) => isOff(drifts[name] ?? 0));
  const level = nearest < alarmMs ? 'warn' : 'alarm';
  return { driftMs: sign * nearest, level, sources };
}

/** Of one endpoint: the last differences, and when each was seen. */
interface Sender {
  readonly provider: ProviderName;
  readonly driftMs: Float64Array;
  readonly seenAt: Float64Array;
  next: number;
  lastSignedAt: number;
}

const samples = 32;
const leastSamples = 3;
const maxSenders = 2_000;
const leastEndpoints = 3;
const leastProviders = 2;
/** Older differences say nothing of the clock of now. */
export const memoryMs = 10 * 60_000;

/**
 * Times that senders have signed, of deliveries with a right signature only, accepted or not. One sender
 * that is off has a wrong clock of its own; several that are off alike see ours.
 */
export class SignedTimes {
  readonly #senders = new Map<EndpointId, Sender>();

  /** `receivedAt` by our clock, ms. The same signed time again is a repeat and says nothing new. */
  note(
    endpoint: { readonly id: EndpointId; readonly provider: ProviderName },
    signedAtMs: number,
    receivedAt: number,
  ): void {
    const sender = this.#senders.get(endpoint.id) ?? this.#add(endpoint);
    if (sender.lastSignedAt === signedAtMs) return;
    sender.lastSignedAt = signedAtMs;
    const at = sender.next % samples;
    sender.driftMs[at] = receivedAt - signedAtMs;
    sender.seenAt[at] = receivedAt;
    sender.next += 1;
  }

  /** Ours less the endpoint's sender's, ms; null while too little is known. */
  driftOf(endpoint: EndpointId, nowMs: number): number | null {
    const sender = this.#senders.get(endpoint);
    return sender === undefined ? null : driftOfSender(sender, nowMs);
  }

  /** Ours less that of most senders, ms; null with fewer than two providers or three endpoints. */
  drift(nowMs: number): number | null {
    const byProvider = new Map<ProviderName, number[]>();
    for (const sender of this.#senders.values()) {
      const drift = driftOfSender(sender, nowMs);
      if (drift === null) continue;
      const known = byProvider.get(sender.provider);
      if (known === undefined) byProvider.set(sender.provider, [drift]);
      else known.push(drift);
    }
    const groups = [...byProvider.values()];
    if (groups.length >= leastProviders) return middle(groups.map(middle));
    const [only = []] = groups;
    return only.length >= leastEndpoints ? middle(only) : null;
  }

  #add({ id, provider }: { readonly id: EndpointId; readonly provider: ProviderName }): Sender {
    if (this.#senders.size >= maxSenders) {
      const [oldest] = this.#senders.keys();
      if (oldest !== undefined) this.#senders.delete(oldest);
    }
    const made: Sender = {
      provider,
      driftMs: new Float64Array(samples),
      seenAt: new Float64Array(samples),
      next: 0,
      lastSignedAt: NaN,
    };
    this.#senders.set(id, made);
    return made;
  }
}

/**
 * The median, and of deliveries that came late the quarter that came least late: what waited at the
 * sender or on the way looks like a clock of ours that is ahead.
 */
function driftOfSender({ driftMs, seenAt, next }: Sender, nowMs: number): number | null {
  const recent: number[] = [];
  for (let at = 0; at < Math.min(next, samples); at += 1) {
    if (Math.abs(nowMs - (seenAt[at] ?? 0)) <= memoryMs) recent.push(driftMs[at] ?? 0);
  }
  if (recent.length < leastSamples) return null;
  recent.sort((a, b) => a - b);
  const quarter = recent[Math.floor((recent.length - 1) / 4)] ?? 0;
  return quarter > 0 ? quarter : Math.min(0, middle(recent));
}

/** The median; of two in the middle the one nearer to zero, so that half is not a majority. */
function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  const high = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return Math.abs(low) <= Math.abs(high) ? low : high;
}
