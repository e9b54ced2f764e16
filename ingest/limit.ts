// Ingest, layer 1: the rate limit. Comes in: a client address, then an endpoint. Goes out: go on, or
// how long to wait. One number per key (GCRA, a token bucket told as a time), a bounded number of keys.

import ipaddr from 'ipaddr.js';
import { performance } from 'node:perf_hooks';

import type { Endpoint } from '../runtime/registry.js';

/** How long a sender may run ahead of its rate: the bucket holds this many ms of it. */
const burstMs = 10_000;

/** What one bucket says of one delivery. */
export interface Quota {
  readonly ok: boolean;
  readonly bucket: 'endpoint' | 'address';
  /** Deliveries that would still pass at once. */
  readonly remaining: number;
  /** Until the bucket is full again, in ms. */
  readonly fullInMs: number;
  /** Until one delivery would pass again, in ms; 0 when one would pass now. */
  readonly retryInMs: number;
}

/** Buckets of one kind. */
export interface BucketOptions {
  readonly bucket: Quota['bucket'];
  /** Keys remembered at most twice this many; strangers beyond it share one bucket. */
  readonly maxKeys: number;
}

/**
 * Token buckets by key. A key's number is the time at which its bucket is full again. Keys live in
 * two generations of `burstMs`: one that was not used for a whole generation is full again, so that
 * forgetting it changes nothing. A flood of new keys therefore cannot push anybody's bucket out.
 */
export class Buckets {
  #current = new Map<string, number>();
  #previous = new Map<string, number>();
  #turnAt = 0;

  constructor(private readonly options: BucketOptions) {}

  /** Takes one token of `key`; `nowMs` is monotonic. A refusal takes nothing. */
  take(key: string, perSecond: number, nowMs: number): Quota {
    if (nowMs >= this.#turnAt) this.#turn(nowMs);
    const known = this.#current.get(key) ?? this.#previous.get(key);
    const stranger = known === undefined && this.#current.size >= this.options.maxKeys;
    const name = stranger ? '' : key;
    const full = Math.max(known ?? this.#current.get(name) ?? 0, nowMs);
    const costMs = 1000 / perSecond;
    const after = full + costMs;
    const overMs = after - nowMs - burstMs;
    const bucket = this.options.bucket;
    if (overMs > 0) {
      return { ok: false, bucket, remaining: 0, fullInMs: full - nowMs, retryInMs: overMs };
    }
    this.#current.set(name, after);
    const remaining = Math.floor(-overMs / costMs);
    return { ok: true, bucket, remaining, fullInMs: after - nowMs, retryInMs: 0 };
  }

  get size(): number {
    return this.#current.size + this.#previous.size;
  }

  #turn(nowMs: number): void {
    const idleForLong = nowMs >= this.#turnAt + burstMs;
    this.#previous = idleForLong ? new Map<string, number>() : this.#current;
    this.#current = new Map();
    this.#turnAt = nowMs + burstMs;
  }
}

/** Deliveries per second where an endpoint has no rate of its own, and per client address. */
export interface Rates {
  readonly endpoint: number;
  readonly address: number;
}

/** The limits of one process. */
export class Limits {
  readonly #addresses: Buckets;
  readonly #endpoints: Buckets;
  #lastPolicy = { rate: -1, text: '' };

  constructor(
    private readonly rates: Rates,
    private readonly nowMs: () => number = () => performance.now(),
    maxKeys = 50_000,
  ) {
    this.#addresses = new Buckets({ bucket: 'address', maxKeys });
    this.#endpoints = new Buckets({ bucket: 'endpoint', maxKeys });
  }

  /** By address, before anything of the request is looked at; also holds back guessing of ids. */
  ofAddress(clientAddress: string): Quota {
    return this.#addresses.take(subscriberOf(clientAddress), this.rates.address, this.nowMs());
  }

  ofEndpoint(endpoint: Endpoint): Quota {
    return this.#endpoints.take(endpoint.id, this.rateOf(endpoint), this.nowMs());
  }

  rateOf(endpoint: Endpoint | null): number {
    return endpoint?.ratePerSecond ?? this.rates.endpoint;
  }

  /**
   * `RateLimit` of the nearer limit and `RateLimit-Policy` of both (draft-ietf-httpapi-ratelimit-headers),
   * with `Retry-After` in whole seconds when the quota refused.
   */
  headers(quota: Quota, endpoint: Endpoint | null): Record<string, string> {
    const headers: Record<string, string> = {
      'ratelimit-policy': this.#policy(this.rateOf(endpoint)),
      ratelimit: `"${quota.bucket}";r=${quota.remaining};t=${Math.ceil(quota.fullInMs / 1000)}`,
    };
    if (!quota.ok) headers['retry-after'] = String(Math.max(1, Math.ceil(quota.retryInMs / 1000)));
    return headers;
  }

  #policy(endpointRate: number): string {
    if (endpointRate === this.#lastPolicy.rate) return this.#lastPolicy.text;
    const seconds = burstMs / 1000;
    const part = (name: string, rate: number) => `"${name}";q=${rate * seconds};w=${seconds}`;
    const text = `${part('endpoint', endpointRate)}, ${part('address', this.rates.address)}`;
    this.#lastPolicy = { rate: endpointRate, text };
    return text;
  }
}

/** The quota that is nearer to its limit. */
export const nearer = (one: Quota, other: Quota): Quota =>
  one.remaining <= other.remaining ? one : other;

/** The unit that is limited: an IPv4 address, or the /64 an IPv6 host can pick addresses in. */
export function subscriberOf(clientAddress: string): string {
  if (!clientAddress.includes(':') || !ipaddr.isValid(clientAddress)) return clientAddress;
  const address = ipaddr.process(clientAddress);
  if (address.kind() === 'ipv4') return address.toString();
  return address.toByteArray().slice(0, 8).join('.');
}
