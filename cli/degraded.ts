// Command line: the degraded states by the names that docs/runbooks has for them. Comes in: what an examination
// or a health check found. Goes out: which runbook is about it.

/** A runbook of docs/runbooks, without its ending. */
export const runbooks = [
  ...(['postgres-away', 'kafka-away', 'redis-lost', 'network-cut', 'disk-full'] as const),
  ...(['clock-wrong', 'process-ends', 'process-stands-still', 'partition-stopped'] as const),
  ...(['lag-grows', 'call-never-ends', 'dead-letters'] as const),
] as const;
export type Runbook = (typeof runbooks)[number];

const ofCheck: Readonly<Record<string, Runbook>> = {
  postgres: 'postgres-away',
  registry: 'postgres-away',
  log: 'kafka-away',
  kafka: 'kafka-away',
  spool: 'disk-full',
  redis: 'redis-lost',
  hot_tier: 'redis-lost',
  clock: 'clock-wrong',
  processors: 'partition-stopped',
  projections: 'partition-stopped',
  stream: 'lag-grows',
  scheduler: 'call-never-ends',
  'dead letters': 'dead-letters',
};

const ofExamination: Readonly<Record<string, Runbook>> = {
  PostgreSQL: 'postgres-away',
  Kafka: 'kafka-away',
  Redis: 'redis-lost',
  clock: 'clock-wrong',
  spool: 'disk-full',
  scheduler: 'call-never-ends',
  'dead letters': 'dead-letters',
};

/** By the name of a check of /health/ready; null where there is nothing to say but the check's own words. */
export const runbookOfCheck = (name: string): Runbook | null => ofCheck[name] ?? null;

/** By the name of a row of `trunkline doctor`. */
export const runbookOfExamination = (what: string): Runbook | null => ofExamination[what] ?? null;
