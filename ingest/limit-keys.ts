// Ingest, the rate limit: what buckets are called. Comes in: an endpoint, a credential, an address. Goes
// out: the keys of their buckets here and in Redis. The tenant is in every key, an address in none.

import { createHmac } from 'node:crypto';

import { BoundedCache } from '../runtime/lru.js';
import type { Endpoint } from '../runtime/registry.js';
import type { TenantId } from '../schemas/ids.js';
import { nobody, type Account } from './limit-sources.js';
import { drawOf, drawsOf, type Draw, type Draws } from './limit-standing.js';

/** Deliveries per second. Those of `address` are the refused ones; a rate of 0 limits nothing. */
export interface Rates {
  /** Where an endpoint has no rate of its own. */
  readonly endpoint: number;
  readonly address: number;
  readonly tenant: number;
  readonly credential: number;
}

/** The buckets of a verified delivery, named. */
export interface KnownDraws extends Draws {
  /** As the script takes them, after the installation's prefix. */
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

/**
 * Buckets of the verified deliveries of each endpoint. Endpoints are replaced as a whole when the
 * registry refreshes, so each is worked out once. All keys of a tenant have one hash tag: one slot of a
 * Redis Cluster.
 */
export class DrawBook {
  readonly #byEndpoint = new WeakMap<Endpoint, Map<string, KnownDraws>>();

  constructor(private readonly rates: Rates) {}

  /** `credential` is the id of the one that verified the delivery; null while that is not known. */
  of(endpoint: Endpoint, credential: string | null): KnownDraws {
    const known = this.#byEndpoint.get(endpoint) ?? new Map<string, KnownDraws>();
    this.#byEndpoint.set(endpoint, known);
    const name = this.rates.credential === 0 ? '' : (credential ?? '');
    const found = known.get(name);
    if (found !== undefined) return found;
    const made = this.#make(endpoint, name);
    known.set(name, made);
    return made;
  }

  #make({ id, tenant, ratePerSecond }: Endpoint, credential: string): KnownDraws {
    const { rates } = this;
    const list: Draw[] = [
      drawOf('endpoint', `${tag(tenant)}:endpoint:${id}`, ratePerSecond ?? rates.endpoint),
      drawOf('tenant', `${tag(tenant)}:tenant`, rates.tenant),
    ];
    if (credential !== '') {
      const key = `${tag(tenant)}:credential:${id}:${credential}`;
      list.push(drawOf('credential', key, rates.credential));
    }
    const args = list.flatMap(({ cost }) => ['take', cost]);
    return { ...drawsOf(list), keys: list.map(({ key }) => key), args };
  }
}

/** Names addresses by a keyed hash: a plain one of every IPv4 address is found in minutes. */
export class AddressNames {
  readonly #names = new BoundedCache<string, string>(10_000, Infinity, () => 0);

  constructor(private readonly key: Buffer) {}

  /** The keys that a failure is charged to: the address's, and the guard's of its endpoint. */
  failureKeys({ endpoint, subscriber }: Account): string[] {
    const address = this.addressKey(endpoint?.tenant ?? null, subscriber);
    return endpoint === null
      ? [address]
      : [address, `${tag(endpoint.tenant)}:refused:${endpoint.id}`];
  }

  addressKey(tenant: TenantId | null, subscriber: string): string {
    const name = this.#nameOf(subscriber);
    // Without a tenant each address is its own slot, so that a flood of guesses meets no single shard.
    return tenant === null ? `{${nobody}:${name}}:address` : `${tag(tenant)}:address:${name}`;
  }

  #nameOf(subscriber: string): string {
    const known = this.#names.get(subscriber);
    if (known !== undefined) return known;
    const name = createHmac('sha256', this.key).update(subscriber).digest('base64url').slice(0, 22);
    this.#names.set(subscriber, name);
    return name;
  }
}

const tag = (tenant: TenantId): string => `{${tenant}}`;
