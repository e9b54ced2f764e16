// Gateway: how much a tenant may ask. In: a tenant and the time. Out: whether this request is within
// its quota, and the RateLimit headers (draft-ietf-httpapi-ratelimit-headers-11). In memory, by node.

export interface Quota {
  /** Requests in each window. */
  readonly requests: number;
  readonly windowSec: number;
}

export interface RateVerdict {
  readonly isAllowed: boolean;
  /** Seconds until a refused request may be tried again. */
  readonly retryAfterSec: number;
  readonly headers: Readonly<Record<string, string>>;
}

export type RateLimit = (tenant: string, nowMs: number) => RateVerdict;

/** A token bucket for each tenant: a whole window at once, then at the window's rate. */
export function createRateLimit(quota: Quota): RateLimit {
  const buckets = new Map<string, { tokens: number; at: number }>();
  const perMs = quota.requests / (quota.windowSec * 1000);
  return (tenant, nowMs) => {
    const bucket = buckets.get(tenant) ?? { tokens: quota.requests, at: nowMs };
    const earned = Math.max(0, nowMs - bucket.at) * perMs;
    const tokens = Math.min(quota.requests, bucket.tokens + earned);
    const isAllowed = tokens >= 1;
    const left = isAllowed ? tokens - 1 : tokens;
    buckets.set(tenant, { tokens: left, at: nowMs });
    const resetSec = Math.ceil((quota.requests - left) / perMs / 1000);
    return {
      isAllowed,
      retryAfterSec: Math.max(1, Math.ceil((1 - left) / perMs / 1000)),
      headers: {
        'ratelimit-policy': `"tenant";q=${quota.requests};w=${quota.windowSec}`,
        ratelimit: `"tenant";r=${Math.floor(left)};t=${resetSec}`,
      },
    };
  };
}
