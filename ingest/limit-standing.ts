// Ingest, the rate limit: what the limits say of one request, and how an answer tells it. Comes in: the
// buckets that were asked and how much of each is used. Goes out: a verdict and its headers.

import { burstMs, burstTicks, costOf, ticksPerMs, waitOf } from './limit-bucket.js';

/** What is limited; a refusal's code is `rate_limited_` and one of them. */
export type BucketName = 'address' | 'endpoint' | 'tenant' | 'credential';

/** One bucket of a request. */
export interface Draw {
  readonly bucket: BucketName;
  /** Unlike that of any other bucket of this process. */
  readonly key: string;
  readonly perSecond: number;
  /** In ticks. */
  readonly cost: number;
}

/** All buckets of a request, as they are asked and shown. */
export interface Draws {
  readonly list: readonly Draw[];
  /** `RateLimit-Policy` of them. */
  readonly policy: string;
}

/** What the limits say of one request. */
export interface Standing {
  readonly draws: Draws;
  /** Ticks until each bucket is full, after this request. */
  readonly used: readonly number[];
  /** Null for a request that may go on. */
  readonly refusedBy: BucketName | null;
  /** When it would pass, in ms; 0 for a request that may go on. */
  readonly retryInMs: number;
  /** This process has one part in so many of each limit; 1 while nodes count together. */
  readonly share: number;
}

export function drawOf(bucket: BucketName, key: string, perSecond: number): Draw {
  return { bucket, key, perSecond, cost: costOf(perSecond) };
}

export function drawsOf(list: readonly Draw[]): Draws {
  const seconds = burstMs / 1000;
  const part = ({ bucket, perSecond }: Draw): string =>
    `"${bucket}";q=${Math.floor(perSecond * seconds)};w=${seconds}`;
  return { list, policy: list.map(part).join(', ') };
}

/** A request that took its tokens. */
export const passing = (draws: Draws, used: readonly number[], share: number): Standing => ({
  ...{ draws, used, share, refusedBy: null, retryInMs: 0 },
});

/** A request that took none; the bucket that lets it wait longest is named. */
export function refusal(draws: Draws, used: readonly number[], share: number): Standing {
  let longest = 0;
  let refusedBy: BucketName = draws.list[0]?.bucket ?? 'endpoint';
  draws.list.forEach(({ bucket, cost }, i) => {
    const wait = waitOf(used[i] ?? 0, cost * share);
    if (wait <= longest) return;
    longest = wait;
    refusedBy = bucket;
  });
  return { draws, used, share, refusedBy, retryInMs: longest / ticksPerMs };
}

/**
 * `RateLimit` and `RateLimit-Policy` of every bucket that was asked (draft-ietf-httpapi-ratelimit-headers),
 * with `Retry-After` in whole seconds when one refused.
 */
export function limitHeaders(standing: Standing): Record<string, string> {
  const { draws, used, refusedBy, retryInMs, share } = standing;
  let levels = '';
  for (let i = 0; i < draws.list.length; i += 1) {
    const { bucket, cost } = draws.list[i] as Draw;
    const level = Math.min(burstTicks, used[i] ?? 0);
    const left = Math.floor((burstTicks - level) / (cost * share));
    const fullInSec = Math.ceil(level / (1000 * ticksPerMs));
    levels += `${i === 0 ? '' : ', '}"${bucket}";r=${left};t=${fullInSec}`;
  }
  const headers: Record<string, string> = { 'ratelimit-policy': draws.policy, ratelimit: levels };
  if (refusedBy !== null) headers['retry-after'] = wholeSeconds(retryInMs);
  return headers;
}

const wholeSeconds = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1000)));
