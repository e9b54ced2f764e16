// Ingest, the rate limit by address: who may try. Comes in: where a request is from and how its way ended.
// Goes out: whether the next one from there is looked at. Only what fails costs (decision 0007).

import ipaddr from 'ipaddr.js';

import { BoundedCache } from '../runtime/lru.js';
import type { Endpoint } from '../runtime/registry.js';
import { Buckets, ticksPerMs, waitOf } from './limit-bucket.js';
import { drawOf, drawsOf, refusal, type Draw, type Standing } from './limit-standing.js';

/** Failures per second at one endpoint, from everywhere, in multiples of the rate of one address. */
const guardFactor = 5;

/** Tries per second that an address which is over its rate keeps at each endpoint. */
const parolePerSecond = 5;

/** What a verified delivery makes up for, in failures: an address may be wrong two times in three. */
const earned = 2;

/** How long an address is known for a verified delivery: at least this, at most twice. */
const trustTicks = 10 * 60_000 * ticksPerMs;

/** Now in monotonic ticks, and of how many nodes this is one while they cannot count together. */
export interface Moment {
  readonly now: number;
  readonly share: number;
}

/**
 * May the request be looked at? `isSuspect`: only on parole, and when it fails it is answered like one that
 * was not looked at, so that the answer tells nothing.
 */
export type Admission =
  | { readonly ok: true; readonly isSuspect: boolean }
  | { readonly ok: false; readonly standing: Standing };

const welcome: Admission = { ok: true, isSuspect: false };
const onParole: Admission = { ok: true, isSuspect: true };

/** The buckets that a failure costs, or a verified delivery puts `earned` failures back into. */
export interface Account {
  readonly endpoint: Endpoint | null;
  /** An IPv4 address or an IPv6 network: never in the clear outside this process. */
  readonly subscriber: string;
  readonly address: Draw;
  /** Null without an endpoint. */
  readonly guard: Draw | null;
}

/** The memory of one process for addresses: some 100,000 of them. */
export class Sources {
  readonly #failures: Buckets;
  readonly #guards = new Buckets({ maxKeys: Infinity });
  readonly #paroles: Buckets;
  readonly #trusted: Recent;
  readonly #subscribers = new BoundedCache<string, string>(10_000, Infinity, () => 0);

  constructor(
    private readonly perSecond: number,
    maxKeys = 50_000,
  ) {
    this.#failures = new Buckets({ maxKeys });
    this.#paroles = new Buckets({ maxKeys });
    this.#trusted = new Recent(maxKeys, trustTicks);
  }

  /**
   * Before anything of the request costs more than a look-up. An address over its rate keeps a few tries
   * at each endpoint, so that one endpoint's forgeries refuse nothing of another's. An endpoint whose
   * failures come from everywhere stays open to addresses it has accepted from.
   */
  admit(endpoint: Endpoint | null, clientAddress: string, moment: Moment): Admission {
    if (this.#failures.size === 0) return welcome;
    const account = this.#accountOf(endpoint, clientAddress);
    const { address, guard } = account;
    const isOver = isClosed(this.#failures, address, moment);
    if (isOver) {
      const parole = paroleOf(account);
      const isSpent = parole === null || isClosed(this.#paroles, parole, alone(moment));
      if (isSpent) return no(this.#failures, address, moment);
    }
    if (guard !== null && isClosed(this.#guards, guard, moment)) {
      if (!this.#trusted.has(address.key, moment.now)) return no(this.#guards, guard, moment);
    }
    return isOver ? onParole : welcome;
  }

  /** A request failed: its address pays, and its endpoint's guard. */
  failed(endpoint: Endpoint | null, clientAddress: string, moment: Moment): Account {
    const account = this.#accountOf(endpoint, clientAddress);
    const { address, guard } = account;
    if (isClosed(this.#failures, address, moment)) {
      const parole = paroleOf(account);
      if (parole !== null) pay(this.#paroles, parole, alone(moment));
    }
    pay(this.#failures, address, moment);
    if (guard !== null) pay(this.#guards, guard, moment);
    return account;
  }

  /**
   * A delivery was verified: its address is known for it, and owes less. The account when it owed
   * anything, else null.
   */
  verified(endpoint: Endpoint, clientAddress: string, moment: Moment): Account | null {
    const subscriber = this.#subscriberOf(clientAddress);
    const key = addressKey(endpoint.tenant, subscriber);
    this.#trusted.add(key, moment.now);
    if (this.#failures.size === 0 || this.#failures.used(key, moment.now) === 0) return null;
    const account = this.#accountOf(endpoint, clientAddress);
    pay(this.#failures, account.address, moment, -earned);
    const parole = paroleOf(account);
    if (parole !== null) pay(this.#paroles, parole, alone(moment), -earned);
    return account;
  }

  /** What all nodes have seen, in ticks; less than what this one has seen is old news. */
  learn({ address, guard }: Account, used: readonly (number | undefined)[], now: number): void {
    raise(this.#failures, address, used[0], now);
    if (guard !== null) raise(this.#guards, guard, used[1], now);
  }

  /** How much an address has failed, in ticks. */
  used({ address }: Account, now: number): number {
    return this.#failures.used(address.key, now);
  }

  #accountOf(endpoint: Endpoint | null, clientAddress: string): Account {
    const subscriber = this.#subscriberOf(clientAddress);
    const key = addressKey(endpoint?.tenant ?? nobody, subscriber);
    const address = drawOf('address', key, this.perSecond);
    if (endpoint === null) return { endpoint, subscriber, address, guard: null };
    const guard = drawOf('endpoint', endpoint.id, this.perSecond * guardFactor);
    return { endpoint, subscriber, address, guard };
  }

  #subscriberOf(clientAddress: string): string {
    if (!clientAddress.includes(':')) return clientAddress;
    const known = this.#subscribers.get(clientAddress);
    if (known !== undefined) return known;
    const subscriber = subscriberOf(clientAddress);
    this.#subscribers.set(clientAddress, subscriber);
    return subscriber;
  }
}

/** Stands where a tenant would, for requests that name no endpoint. */
export const nobody = '-';

/** In failures: what `Sources.verified` takes off an account. */
export const earnedFailures = earned;

/** The unit that is limited: an IPv4 address, or the /64 an IPv6 host can pick addresses in. */
export function subscriberOf(clientAddress: string): string {
  if (!clientAddress.includes(':') || !ipaddr.isValid(clientAddress)) return clientAddress;
  const address = ipaddr.process(clientAddress);
  if (address.kind() === 'ipv4') return address.toString();
  return address.toByteArray().slice(0, 8).join('.');
}

/** What an address did to one tenant says nothing of it to another. */
const addressKey = (tenant: string, subscriber: string): string => `${tenant} ${subscriber}`;

const paroleOf = ({ endpoint, subscriber }: Account): Draw | null =>
  endpoint === null ? null : drawOf('address', `${endpoint.id} ${subscriber}`, parolePerSecond);

/** Paroles are each node's own, whether nodes count together or not. */
const alone = ({ now }: Moment): Moment => ({ now, share: 1 });

const isClosed = (buckets: Buckets, { key, cost }: Draw, { now, share }: Moment): boolean =>
  waitOf(buckets.used(key, now), cost * share) > 0;

function no(buckets: Buckets, draw: Draw, { now, share }: Moment): Admission {
  return { ok: false, standing: refusal(drawsOf([draw]), [buckets.used(draw.key, now)], share) };
}

function pay(buckets: Buckets, { key, cost }: Draw, { now, share }: Moment, times = 1): void {
  buckets.put(key, buckets.used(key, now) + cost * share * times, now);
}

function raise(buckets: Buckets, { key }: Draw, used: number | undefined, now: number): void {
  if (used !== undefined && used > buckets.used(key, now)) buckets.put(key, used, now);
}

/** Keys seen within a while, in two generations; when there is no room the older go first. */
class Recent {
  #current = new Set<string>();
  #previous = new Set<string>();
  #turnAt = 0;

  constructor(
    private readonly maxKeys: number,
    private readonly ticks: number,
  ) {}

  add(key: string, now: number): void {
    if (now >= this.#turnAt || this.#current.size >= this.maxKeys) this.#turn(now);
    this.#current.add(key);
  }

  has(key: string, now: number): boolean {
    if (now >= this.#turnAt) this.#turn(now);
    return this.#current.has(key) || this.#previous.has(key);
  }

  #turn(now: number): void {
    const isLongAgo = now >= this.#turnAt + this.ticks;
    this.#previous = isLongAgo ? new Set<string>() : this.#current;
    this.#current = new Set();
    this.#turnAt = now + this.ticks;
  }
}
