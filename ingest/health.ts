// Ingest: what readiness says of this station. Comes in: registry, log, spool and keys as they are. Goes
// out: checks. What is away is `degraded`: deliveries are still taken, so a balancer must go on sending.

import type { LogState } from '../log/late.js';
import type { Clock } from '../runtime/clock.js';
import type { Health, HealthResult } from '../runtime/health.js';
import type { Registry } from '../runtime/registry.js';
import { daysAhead, type DayKeys } from './day-keys.js';
import type { Spool } from './spool.js';

export interface IngestHealthParts {
  readonly health: Health;
  readonly registry: Pick<Registry, 'freshness'>;
  readonly dayKeys: Pick<DayKeys, 'daysSealable'>;
  readonly spool: Pick<Spool, 'bytes' | 'records' | 'maxBytes'>;
  readonly logState: () => LogState;
  readonly clock: Clock;
}

/** So full that somebody must look, and so full that hardly a delivery fits. */
const spoolWarning = 0.5;
const spoolFull = 0.98;

/** Adds the checks; the returned function takes them away. */
export function addIngestChecks(parts: IngestHealthParts): () => void {
  const { health } = parts;
  const removals = [
    health.add('registry', () => registryCheck(parts)),
    health.add('log', () => logCheck(parts)),
    health.add('spool', () => spoolCheck(parts)),
  ];
  return () => {
    for (const remove of removals) remove();
  };
}

function registryCheck({ registry, dayKeys, clock }: IngestHealthParts): HealthResult {
  const { isFresh, readAt } = registry.freshness();
  const { daysSealable } = dayKeys;
  const sealable =
    daysSealable < 0
      ? 'some tenants cannot be sealed for today: their deliveries are refused'
      : `deliveries can be sealed for ${daysSealable} days after today`;
  if (!isFresh) {
    const age = Math.round((clock() - readAt) / 1000);
    const detail =
      `PostgreSQL does not answer: serving the registry as it was ${age} s ago, ` +
      `unknown endpoints are answered 503; ${sealable}`;
    return { status: 'degraded', detail };
  }
  return daysSealable < daysAhead / 2
    ? { status: daysSealable < 0 ? 'degraded' : 'ok', detail: sealable }
    : { status: 'ok' };
}

function logCheck({ logState, spool }: IngestHealthParts): HealthResult {
  const state = logState();
  switch (state.kind) {
    case 'open':
      if (spool.records === 0) return { status: 'ok' };
      return { status: 'degraded', detail: `${spool.records} deliveries wait in the spool` };
    case 'away':
      return { status: 'degraded', detail: `away, deliveries go to the spool: ${state.detail}` };
    case 'refused':
      return {
        status: 'degraded',
        detail: `not usable as it is, deliveries go to the spool until it is: ${state.detail}`,
      };
  }
}

function spoolCheck({ spool }: IngestHealthParts): HealthResult {
  if (spool.maxBytes === 0) return { status: 'ok', detail: 'off (TRUNKLINE_SPOOL_BYTES is 0)' };
  const share = spool.bytes / spool.maxBytes;
  const detail = `${Math.round(share * 100)} % full, ${spool.records} deliveries`;
  if (share >= spoolFull) return { status: 'failed', detail: `${detail}: answering 503` };
  return { status: share >= spoolWarning ? 'degraded' : 'ok', detail };
}
