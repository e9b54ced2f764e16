// Command line: the hot tier of a process (design 3.3). In: an installation. Out: the tier that its
// processors and projections share, with metrics, log lines and health; null without Redis.

import { HotMetrics } from '../log/hot-metrics.js';
import { RedisHotStore } from '../log/hot-store.js';
import { HotTier } from '../log/hot-tier.js';
import type { Config, Role } from '../runtime/config.js';
import type { Health } from '../runtime/health.js';
import type { Task } from '../runtime/lifecycle.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import { openRedis } from '../runtime/redis.js';
import { deriveKey } from '../runtime/seal.js';
import type { Installation } from './installation.js';

export interface HotTierParts {
  readonly installation: Pick<Installation, 'config' | 'masterKey'>;
  readonly health: Health;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Opened for the roles that look states up or keep them; connects beside the start. */
export function openHotTier(parts: HotTierParts, roles: readonly Role[]): HotTier | null {
  const { installation, health, logger, metrics } = parts;
  const { REDIS_URL: url } = installation.config;
  const isWanted = roles.includes('processors') || roles.includes('projections');
  if (url === undefined || !usesHotTier(installation.config) || !isWanted) return null;
  const watch = new HotMetrics(metrics, logger);
  health.add('hot_tier', () => watch.health);
  const store = new RedisHotStore(openRedis(url, logger), hotPrefix(installation));
  return new HotTier({ store, watch });
}

export const usesHotTier = ({ REDIS_URL, TRUNKLINE_HOT_TIER }: Config): boolean =>
  REDIS_URL !== undefined && TRUNKLINE_HOT_TIER === 'on';

/** The first part of its keys: other installations may use the same server. */
export const hotPrefix = ({ config, masterKey }: HotTierParts['installation']): string =>
  `${config.TRUNKLINE_TOPIC_PREFIX}:${deriveKey(masterKey.key, 'hot-prefix').toString('hex').slice(0, 8)}`;

/** Lets go of Redis when the stop begins: what drains from then on does without. */
export const closing =
  (tier: HotTier): Task =>
  (signal) =>
    new Promise((resolve) => {
      const close = (): void => {
        tier.close();
        resolve();
      };
      if (signal.aborted) close();
      else signal.addEventListener('abort', close, { once: true });
    });
