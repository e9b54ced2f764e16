// One schema: environment names, defaults, the table in docs/configuration.md and what a log may
// print come from it. Every fault is listed at start; nothing else reads `process.env`.

import { z } from 'zod';

import { parseSilence, type SilenceBound } from './silence.js';

export const roleNames = ['ingest', 'processors', 'projections', 'gateway', 'scheduler'] as const;
export type Role = (typeof roleNames)[number];

/** Reads `250ms`, `5s`, `10m`, `12h` or `30d` as milliseconds. */
function duration(fallback: string) {
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
  return z
    .string()
    .regex(/^\d+(ms|s|m|h|d)$/, 'must be a number and a unit: ms, s, m, h or d, e.g. 5s')
    .default(fallback)
    .transform((text) => {
      const unit = text.replace(/\d+/, '') as keyof typeof units;
      return Number.parseInt(text, 10) * units[unit];
    });
}

const integer = (fallback: number, low: number, high: number) =>
  z.coerce.number().int().min(low).max(high).default(fallback);

const list = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    );

const silence = z
  .string()
  .default('')
  .transform((text, context): readonly SilenceBound[] => {
    const bounds = parseSilence(text);
    if (typeof bounds !== 'string') return bounds;
    context.addIssue({ code: 'custom', message: bounds });
    return z.NEVER;
  });

const isKey = (text: string): boolean => Buffer.from(text, 'base64').length === 32;

/** 32 random bytes hold fewer than 16 different ones about once in 10^17; a pattern or a word does. */
const isWeakKey = (text: string): boolean => new Set(Buffer.from(text, 'base64')).size < 16;

interface Field {
  readonly doc: string;
  /** Never printed, not even masked. */
  readonly secret?: true;
}

const field = <T extends z.ZodType>(schema: T, doc: string, secret?: true): T =>
  schema.meta({ doc, ...(secret === undefined ? {} : { secret }) } satisfies Field);

export const configSchema = z.object({
  TRUNKLINE_ENV: field(
    z.enum(['development', 'test', 'production']).default('development'),
    '`production` refuses default, weak or missing secrets',
  ),
  TRUNKLINE_DATA: field(
    z.string().default('.trunkline'),
    'directory of embedded data, keys, spool',
  ),
  TRUNKLINE_HOST: field(z.string().default('127.0.0.1'), 'address to listen on'),
  TRUNKLINE_PORT: field(integer(8080, 0, 65535), 'port to listen on; 0 takes a free one'),
  TRUNKLINE_PUBLIC_URL: field(
    z.url().optional(),
    'base URL that providers call, default http://host:port; an endpoint may have its own',
  ),
  TRUNKLINE_TRUSTED_PROXIES: field(
    list(''),
    'CIDRs of proxies whose X-Forwarded-For is believed, right-most hop first',
  ),
  TRUNKLINE_PROXY_PROTOCOL: field(
    z.enum(['off', 'v2']).default('off'),
    '`v2`: every connection comes from one of TRUNKLINE_TRUSTED_PROXIES and begins with a PROXY header',
  ),
  TRUNKLINE_MAX_CONNECTIONS: field(
    integer(20_000, 10, 1_000_000),
    'open connections, WebSockets not among them; one more is closed',
  ),
  TRUNKLINE_MAX_SILENT_CONNECTIONS: field(
    integer(2000, 10, 1_000_000),
    'open connections of one address that have asked nothing yet; one more is closed',
  ),
  TRUNKLINE_BODY_TIMEOUT: field(
    duration('10s'),
    'from the head of a request to the end of its body; then 408',
  ),
  DATABASE_URL: field(z.string().optional(), 'PostgreSQL; absent: embedded', true),
  KAFKA_BROKERS: field(list(''), 'host:port, comma separated; absent: the embedded log'),
  SCHEMA_REGISTRY_URL: field(
    z.url().optional(),
    'Confluent-compatible registry; absent: the local table of the same schemas',
  ),
  REDIS_URL: field(
    z
      .string()
      .regex(/^rediss?:\/\/[^\s]+$/, 'must be a URL like redis://host:6379 or rediss://…')
      .optional(),
    'Redis, where ingest nodes count their limits together and states are looked up first; absent: neither',
    true,
  ),
  TRUNKLINE_HOT_TIER: field(
    z.enum(['on', 'off']).default('on'),
    '`off`: with REDIS_URL, states are looked up in PostgreSQL alone',
  ),
  TRUNKLINE_TOPIC_PREFIX: field(
    z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,100}$/, 'must be letters, digits, `-` and `_`')
      .default('trunkline'),
    'first part of topic names and consumer groups: one for each installation on a Kafka cluster',
  ),
  TRUNKLINE_PARTITIONS: field(integer(8, 1, 1024), 'P, fixed when the topics are created'),
  TRUNKLINE_KAFKA_REPLICATION: field(integer(1, 1, 7), 'replication factor of the topics'),
  TRUNKLINE_KAFKA_MIN_ISR: field(integer(1, 1, 7), 'min.insync.replicas of the topics'),
  TRUNKLINE_SESSION_TIMEOUT: field(duration('10s'), 'when a silent processor loses its partitions'),
  TRUNKLINE_RAW_RETENTION: field(duration('30d'), 'how long raw deliveries can be opened'),
  TRUNKLINE_DEAD_LETTERS_ALARM: field(
    integer(100, 0, 1_000_000),
    'more open dead letters than this are an alarm; nothing stops',
  ),
  TRUNKLINE_MASTER_KEY: field(
    z
      .string()
      .refine(isKey, 'must be 32 bytes in base64, e.g. from: openssl rand -base64 32')
      .optional(),
    '32 bytes, base64; wraps all keys',
    true,
  ),
  TRUNKLINE_MASTER_KEY_FILE: field(z.string().optional(), 'file with the master key'),
  TRUNKLINE_JWKS_URL: field(
    z.url().optional(),
    'JWKS of the identity provider; absent: local keys',
  ),
  TRUNKLINE_JWT_ISSUER: field(z.string().default('trunkline'), 'required `iss`'),
  TRUNKLINE_JWT_AUDIENCE: field(z.string().default('trunkline'), 'required `aud`'),
  TRUNKLINE_ORIGINS: field(
    list(''),
    'origins of pages on other hosts that may open the stream, e.g. https://app.example.com; `*`: all',
  ),
  TRUNKLINE_METRICS_TOKEN: field(
    z.string().min(16).optional(),
    'Bearer token of /metrics; absent: loopback only',
    true,
  ),
  TRUNKLINE_LOG_LEVEL: field(
    z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
    'least severe line that is logged',
  ),
  TRUNKLINE_SPOOL_BYTES: field(integer(256 * 1024 * 1024, 0, 2 ** 40), 'bound of the local spool'),
  TRUNKLINE_SPOOL_DRAIN_RATE: field(
    integer(2000, 1, 1_000_000),
    'deliveries per second by which the spool shrinks when the log is back, beside new traffic',
  ),
  TRUNKLINE_APPEND_TIMEOUT: field(
    duration('1s'),
    'wait for the log before spooling a delivery; Telnyx gives up after 2 s',
  ),
  TRUNKLINE_ENDPOINT_RATE: field(
    integer(2000, 1, 1_000_000),
    'deliveries per second per endpoint; an endpoint may have its own (`endpoint add --rate`)',
  ),
  TRUNKLINE_TENANT_RATE: field(
    integer(20_000, 1, 1_000_000),
    'deliveries per second per tenant, over all its endpoints',
  ),
  TRUNKLINE_CREDENTIAL_RATE: field(
    integer(0, 0, 1_000_000),
    'deliveries per second per credential; 0: as many as its endpoint takes',
  ),
  TRUNKLINE_ADDRESS_RATE: field(
    integer(200, 1, 1_000_000),
    '*refused* requests per second per client address (unknown endpoint, wrong signature …); what is accepted costs an address nothing',
  ),
  TRUNKLINE_INFLIGHT_BYTES: field(
    integer(128 * 1024 * 1024, 1024 * 1024, 2 ** 40),
    'memory of deliveries that wait for their answer; beyond it 503, over half of it whoever has most',
  ),
  TRUNKLINE_RING_EVENTS: field(
    integer(20_000, 100, 5_000_000),
    'events per tenant the gateway keeps for resuming; 32 MB over all tenants at most',
  ),
  TRUNKLINE_SILENCE: field(
    silence,
    'how long a call may be silent before its provider is asked, where it is not 5m (`initiated`, `ringing`, `transferring`), 4h (`answered`) or 1h (`on_hold`): `[tenant/][provider.]status=duration`, comma separated',
  ),
  TRUNKLINE_PATIENCE: field(
    duration('15m'),
    'how long the provider of a silent call is asked before the end of the call is inferred',
  ),
  TRUNKLINE_SETTLE: field(
    duration('30m'),
    'how long late data of a call that ended is waited for (price, recording)',
  ),
  TRUNKLINE_TIMER_RATE: field(
    integer(1000, 1, 100_000),
    'timers told per second at most: what was missed in an outage is caught up at this rate',
  ),
  TRUNKLINE_START_WAIT: field(
    duration('1h'),
    'how long `serve` waits at its start for a part that is away, alive and not ready; 0s: it ends at once',
  ),
  TRUNKLINE_DRAIN: field(
    duration('5s'),
    'deadline of a clean stop; it takes what it needs, not all of it',
  ),
  TRUNKLINE_DRAIN_DELAY: field(
    duration('0s'),
    'how long a stop goes on serving while /health/ready says 503: what a balancer takes to see it',
  ),
  TRUNKLINE_ASK_RATE: field(
    integer(5, 1, 1_000),
    'questions per second to the API of a provider, for each account',
  ),
  TRUNKLINE_TEST_NOW: field(
    z.coerce.number().int().optional(),
    'tests only: pins the clock of ingest (unix seconds); refused in production',
  ),
});

export type Config = z.output<typeof configSchema>;

/** A fault of one variable, worded for the person who set it; never its value. */
export interface ConfigFault {
  readonly variable: string;
  readonly fault: string;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] };

/** Validates the environment as a whole; lists every fault at once. Empty values count as absent. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ConfigResult {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const known = new Set(Object.keys(configSchema.shape));
  const faults: ConfigFault[] = Object.keys(given)
    .filter((name) => name.startsWith('TRUNKLINE_') && !known.has(name))
    .map((variable) => ({ variable, fault: 'is not a known variable; see docs/configuration.md' }));
  const parsed = configSchema.safeParse(given);
  for (const issue of parsed.error?.issues ?? []) {
    faults.push({ variable: String(issue.path[0]), fault: issue.message });
  }
  const faulty = new Set(faults.map((fault) => fault.variable));
  const sound = Object.entries(given).filter(([name]) => !faulty.has(name));
  const rest = configSchema.safeParse(Object.fromEntries(sound));
  if (rest.success) faults.push(...crossFaults(rest.data, faulty));
  return parsed.success && faults.length === 0
    ? { ok: true, config: parsed.data }
    : { ok: false, faults };
}

/** An outage of the processors must be noticed and ended within the retention of deliveries. */
const leastRetentionMs = 86_400_000;

/** Faults between variables, told of the sound ones even when others are faulty by themselves. */
function crossFaults(config: Config, faulty: ReadonlySet<string>): ConfigFault[] {
  const faults: ConfigFault[] = [];
  if (config.TRUNKLINE_KAFKA_MIN_ISR > config.TRUNKLINE_KAFKA_REPLICATION) {
    faults.push({
      variable: 'TRUNKLINE_KAFKA_MIN_ISR',
      fault: 'must not exceed TRUNKLINE_KAFKA_REPLICATION',
    });
  }
  if (config.TRUNKLINE_RAW_RETENTION < leastRetentionMs && config.TRUNKLINE_ENV !== 'test') {
    faults.push({
      variable: 'TRUNKLINE_RAW_RETENTION',
      fault: 'must be at least 1d: deliveries are removed after it, processed or not',
    });
  }
  if (config.TRUNKLINE_PROXY_PROTOCOL === 'v2' && config.TRUNKLINE_TRUSTED_PROXIES.length === 0) {
    faults.push({
      variable: 'TRUNKLINE_PROXY_PROTOCOL',
      fault: 'needs TRUNKLINE_TRUSTED_PROXIES: a PROXY header is believed of those alone',
    });
  }
  if (config.TRUNKLINE_ENV === 'production') faults.push(...productionFaults(config));
  return faults.filter((fault) => !faulty.has(fault.variable));
}

function productionFaults(config: Config): ConfigFault[] {
  const faults: ConfigFault[] = [];
  if (config.TRUNKLINE_MASTER_KEY === undefined && config.TRUNKLINE_MASTER_KEY_FILE === undefined) {
    faults.push({
      variable: 'TRUNKLINE_MASTER_KEY',
      fault: 'is required in production (or TRUNKLINE_MASTER_KEY_FILE)',
    });
  }
  if (config.TRUNKLINE_MASTER_KEY !== undefined && isWeakKey(config.TRUNKLINE_MASTER_KEY)) {
    faults.push({
      variable: 'TRUNKLINE_MASTER_KEY',
      fault: 'is not random; make one with: openssl rand -base64 32',
    });
  }
  if (config.TRUNKLINE_TEST_NOW !== undefined) {
    faults.push({ variable: 'TRUNKLINE_TEST_NOW', fault: 'must not be set in production' });
  }
  return faults;
}

/** The table of docs/configuration.md: every variable, its default and what it is for. */
export function configTable(): string {
  const defaults = configSchema.safeParse({});
  const values: Readonly<Record<string, unknown>> = defaults.success ? defaults.data : {};
  const rows = Object.entries(configSchema.shape).map(([name, schema]) => {
    const meta = schema.meta() as Partial<Field> | undefined;
    return `| \`${name}\` | ${defaultText(values[name])} | ${meta?.doc ?? ''} |`;
  });
  return ['| Variable | Default | Meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

function defaultText(value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '–';
  return `\`${Array.isArray(value) ? value.join(',') : JSON.stringify(value).replaceAll('"', '')}\``;
}
