// Chaos: what is broken and when. Comes in: a seed and the length of the run. Goes out: faults in the order
// of their time, the same for the same seed; pure.

import { seededRandom, type Random } from '../../cli/simulator/random.js';

/** The processes of a run: two of each role. */
export const slotNames = [
  ...['ingest-1', 'ingest-2', 'processors-1', 'processors-2'],
  ...['projections-1', 'projections-2', 'gateway-1', 'gateway-2', 'scheduler-1', 'scheduler-2'],
] as const;
export type SlotName = (typeof slotNames)[number];

export const brokerNumbers = [1, 2, 3] as const;
export type BrokerNumber = (typeof brokerNumbers)[number];

/** What a process talks to, each through a proxy of its own. */
export const partNames = ['kafka', 'postgres', 'redis'] as const;
export type PartName = (typeof partNames)[number];

/** One thing that goes wrong. All lengths are in ms; what was broken is whole again `forMs` later. */
export type Fault =
  | { readonly kind: 'kill'; readonly slot: SlotName; readonly forMs: number }
  /** SIGSTOP, and SIGCONT later: longer than the session timeout, it comes back as a zombie. */
  | { readonly kind: 'zombie'; readonly slot: SlotName; readonly forMs: number }
  | { readonly kind: 'restart'; readonly slot: SlotName; readonly forMs: number }
  | { readonly kind: 'broker_kill'; readonly broker: BrokerNumber; readonly forMs: number }
  /** Each broker in turn, stopped cleanly and waited for. */
  | { readonly kind: 'broker_rolling_restart'; readonly forMs: number }
  | {
      readonly kind: 'postgres_restart';
      readonly how: 'fast' | 'immediate';
      readonly forMs: number;
    }
  | { readonly kind: 'redis_flush'; readonly forMs: number }
  | { readonly kind: 'redis_kill'; readonly forMs: number }
  /** Back to what it held when the run began to be broken. */
  | { readonly kind: 'redis_old_snapshot'; readonly forMs: number }
  | {
      readonly kind: 'cut';
      readonly slot: SlotName;
      readonly part: PartName;
      readonly forMs: number;
    }
  | {
      readonly kind: 'latency';
      readonly slot: SlotName;
      readonly part: PartName;
      readonly delayMs: number;
      readonly forMs: number;
    }
  /** The disk of an ingest node is full, and its log away, so that it needs that disk. */
  | { readonly kind: 'disk_full'; readonly slot: SlotName; readonly forMs: number }
  | {
      readonly kind: 'clock_jump';
      readonly slot: SlotName;
      readonly byMs: number;
      readonly forMs: number;
    };

export type FaultKind = Fault['kind'];

export const faultKinds = [
  ...['kill', 'zombie', 'restart', 'broker_kill', 'broker_rolling_restart', 'postgres_restart'],
  ...['redis_flush', 'redis_kill', 'redis_old_snapshot', 'cut', 'latency', 'disk_full'],
  'clock_jump',
] as const satisfies readonly FaultKind[] as readonly FaultKind[];

export interface Planned {
  /** From the begin of the run. */
  readonly atMs: number;
  readonly fault: Fault;
}

/** The parts that a role talks to. */
const partsOf = (slot: SlotName): readonly [PartName, ...PartName[]] =>
  slot.startsWith('ingest') || slot.startsWith('processors')
    ? ['kafka', 'postgres', 'redis']
    : ['kafka', 'postgres'];

const makers: Readonly<Record<FaultKind, (random: Random) => Fault>> = {
  kill: (random) => ({
    kind: 'kill',
    slot: random.pick(slotNames),
    forMs: random.between(200, 3_000),
  }),
  zombie: (random) => ({
    ...{ kind: 'zombie', slot: random.pick(slotNames), forMs: random.between(1_000, 14_000) },
  }),
  restart: (random) => ({ kind: 'restart', slot: random.pick(slotNames), forMs: 100 }),
  broker_kill: (random) => ({
    ...{ kind: 'broker_kill', broker: random.pick(brokerNumbers) },
    forMs: random.between(2_000, 12_000),
  }),
  broker_rolling_restart: () => ({ kind: 'broker_rolling_restart', forMs: 0 }),
  postgres_restart: (random) => ({
    kind: 'postgres_restart',
    how: random.pick(['fast', 'immediate']),
    forMs: random.between(500, 6_000),
  }),
  redis_flush: () => ({ kind: 'redis_flush', forMs: 0 }),
  redis_kill: (random) => ({ kind: 'redis_kill', forMs: random.between(500, 8_000) }),
  redis_old_snapshot: (random) => ({
    kind: 'redis_old_snapshot',
    forMs: random.between(200, 2_000),
  }),
  cut: (random) => {
    const slot = random.pick(slotNames);
    return {
      kind: 'cut',
      slot,
      part: random.pick(partsOf(slot)),
      forMs: random.between(500, 12_000),
    };
  },
  latency: (random) => {
    const slot = random.pick(slotNames);
    const delayMs = random.pick([20, 100, 400, 1_500]);
    const forMs = random.between(2_000, 15_000);
    return { kind: 'latency', slot, part: random.pick(partsOf(slot)), delayMs, forMs };
  },
  disk_full: (random) => ({
    kind: 'disk_full',
    slot: random.pick(['ingest-1', 'ingest-2']),
    forMs: random.between(2_000, 8_000),
  }),
  clock_jump: (random) => {
    const slot = random.pick(slotNames);
    // A provider's signature is good for five minutes: an ingest node further off refuses, rightly.
    const most = slot.startsWith('ingest') ? 120_000 : 7_200_000;
    return {
      kind: 'clock_jump',
      slot,
      byMs: random.between(-most, most),
      forMs: random.between(3_000, 15_000),
    };
  },
};

/** Undisturbed time at the begin, and at the end while everything heals. */
export const quietMs = { first: 4_000, last: 8_000 } as const;
const gapMs = [1_000, 6_000] as const;

/**
 * The faults of a run. Every kind has its turn before any comes again, in an order by chance; those of
 * different kinds overlap. Time for the broken to heal is left only at the end.
 */
export function planFaults(seed: number, lengthMs: number): readonly Planned[] {
  const random = seededRandom(seed);
  const planned: Planned[] = [];
  let turns: FaultKind[] = [];
  for (let atMs: number = quietMs.first; atMs < lengthMs - quietMs.last;) {
    if (turns.length === 0) turns = shuffled(faultKinds, random);
    const kind = turns.pop() ?? 'kill';
    planned.push({ atMs: Math.round(atMs), fault: makers[kind](random) });
    atMs += random.between(...gapMs);
  }
  return planned;
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const left = [...values];
  const mixed: T[] = [];
  while (left.length > 0) mixed.push(...left.splice(random.between(0, left.length - 1), 1));
  return mixed;
}

/** One line for people: what, to whom, for how long. */
export function describeFault(fault: Fault): string {
  const { kind, forMs, ...rest } = fault;
  const what = Object.values(rest).map(String).join(' ');
  const length = forMs === 0 ? '' : ` for ${(forMs / 1000).toFixed(1)} s`;
  return `${kind.replaceAll('_', ' ')}${what === '' ? '' : ` ${what}`}${length}`;
}
