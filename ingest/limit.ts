// Ingest, layer 1: the rate limit. Comes in: an endpoint and a client address, then how the request's way
// went on. Goes out: go on, or how long to wait. Alone, or together with other nodes through Redis.

import { performance } from 'node:perf_hooks';

import type { Endpoint } from '../runtime/registry.js';
import { Buckets, ticksPerMs, waitOf } from './limit-bucket.js';
import { AddressNames, DrawBook, type KnownDraws, type Rates } from './limit-keys.js';
import type { SharedLimits } from './limit-shared.js';
import { earnedFailures, Sources } from './limit-sources.js';
import type { Account, Admission, Moment } from './limit-sources.js';
import { drawsOf, passing, refusal, type Standing } from './limit-standing.js';

/** Who decided: this process alone, all nodes together, or alone because Redis is away or was late. */
export type DecidedBy = 'alone' | 'together' | 'away' | 'late';

export interface LimitOptions {
  readonly rates: Rates;
  /** Null: this process counts alone. `addressKey` names addresses in Redis. */
  readonly shared?: { readonly limits: SharedLimits; readonly addressKey: Buffer } | null;
  readonly onDecision?: (by: DecidedBy) => void;
  /** Monotonic ms. */
  readonly nowMs?: () => number;
}

/**
 * The limits of one process, in the order of a request: `admit`, then `failed` or `take`. What is known
 * here to be used up is refused here. What Redis says is taken over, so that this knowledge stays good.
 */
export class Limits {
  readonly #sources: Sources;
  readonly #draws: DrawBook;
  /** Of verified deliveries only: there are no more keys than endpoints, tenants and credentials. */
  readonly #buckets = new Buckets({ maxKeys: Infinity });
  readonly #shared: SharedLimits | null;
  readonly #names: AddressNames | null;
  readonly #onDecision: (by: DecidedBy) => void;
  readonly #nowMs: () => number;

  constructor({ rates, shared = null, onDecision, nowMs }: LimitOptions) {
    this.#sources = new Sources(rates.address);
    this.#draws = new DrawBook(rates);
    this.#shared = shared?.limits ?? null;
    this.#names = shared === null ? null : new AddressNames(shared.addressKey);
    this.#onDecision = onDecision ?? (() => undefined);
    this.#nowMs = nowMs ?? (() => performance.now());
  }

  /**
   * Before anything is verified: nothing is taken, only what is used up is refused. A sender that cannot
   * sign therefore uses up nobody's rate but its address's.
   */
  admit(endpoint: Endpoint | null, clientAddress: string): Admission {
    const moment = this.#moment();
    const admission = this.#sources.admit(endpoint, clientAddress, moment);
    if (!admission.ok || endpoint === null) return admission;
    const { list } = this.#draws.of(endpoint, null);
    for (const draw of list) {
      const used = this.#buckets.used(draw.key, moment.now);
      if (waitOf(used, draw.cost * moment.share) <= 0) continue;
      return { ok: false, standing: refusal(drawsOf([draw]), [used], moment.share) };
    }
    return admission;
  }

  /**
   * A request failed for what it is: its address pays. An address on parole is told what it would be told
   * if nobody had looked.
   */
  failed(endpoint: Endpoint | null, clientAddress: string, isSuspect: boolean): Standing {
    const moment = this.#moment();
    const account = this.#sources.failed(endpoint, clientAddress, moment);
    if (this.#shared?.isOn === true) void this.#chargeTogether(account, moment.now);
    const used = this.#sources.used(account, moment.now);
    return (isSuspect ? refusal : passing)(drawsOf([account.address]), [used], moment.share);
  }

  /**
   * A verified delivery takes a token of its endpoint, its tenant and, where they are limited, its
   * credential: of all or of none. Alone this is decided at once; together within the deadline.
   */
  take(
    endpoint: Endpoint,
    credential: string,
    clientAddress: string,
  ): Standing | Promise<Standing> {
    const moment = this.#moment();
    const debtor = this.#sources.verified(endpoint, clientAddress, moment);
    const draws = this.#draws.of(endpoint, credential);
    const local = this.#takeHere(draws, moment);
    if (this.#shared?.isOn !== true) {
      this.#onDecision(this.#shared === null ? 'alone' : 'away');
      return local;
    }
    if (local.refusedBy !== null) {
      this.#onDecision('together');
      return local;
    }
    return this.#takeTogether(this.#shared, { draws, debtor }, moment.now);
  }

  #takeHere(draws: KnownDraws, { now, share }: Moment): Standing {
    const { list } = draws;
    const used = list.map(({ key }) => this.#buckets.used(key, now));
    if (list.some(({ cost }, i) => waitOf(used[i] ?? 0, cost * share) > 0)) {
      return refusal(draws, used, share);
    }
    const after = list.map(({ cost }, i) => (used[i] ?? 0) + cost * share);
    list.forEach(({ key }, i) => this.#buckets.put(key, after[i] ?? 0, now));
    return passing(draws, after, share);
  }

  async #takeTogether(shared: SharedLimits, taking: Taking, askedAt: number): Promise<Standing> {
    const { draws } = taking;
    const { keys, args } = this.#questionOf(shared, taking);
    const answer = await shared.ask(keys, args);
    if (answer === null) {
      this.#giveBack(draws);
      this.#onDecision('late');
      return this.#takeHere(draws, this.#moment());
    }
    this.#onDecision('together');
    if (!answer.ok) this.#giveBack(draws);
    const used = answer.used.slice(0, draws.list.length);
    this.#learn(draws, used, askedAt);
    return (answer.ok ? passing : refusal)(draws, used, 1);
  }

  #questionOf({ prefix }: SharedLimits, { draws, debtor }: Taking) {
    const keys = draws.keys.map((key) => `${prefix}:${key}`);
    if (debtor === null || debtor.endpoint === null || this.#names === null)
      return { keys, args: draws.args };
    const { endpoint, subscriber, address } = debtor;
    keys.push(`${prefix}:${this.#names.addressKey(endpoint.tenant, subscriber)}`);
    return { keys, args: [...draws.args, 'give', earnedFailures * address.cost] };
  }

  /** What was taken here for a delivery that Redis refused, or did not answer for. */
  #giveBack({ list }: KnownDraws): void {
    const { now } = this.#moment();
    for (const { key, cost } of list) {
      this.#buckets.put(key, this.#buckets.used(key, now) - cost, now);
    }
  }

  /** All nodes use at least what one of them knows of. As of the asking: later would be too strict. */
  #learn({ list }: KnownDraws, used: readonly number[], askedAt: number): void {
    const { now } = this.#moment();
    list.forEach(({ key }, i) => {
      const known = (used[i] ?? 0) - (now - askedAt);
      if (known > this.#buckets.used(key, now)) this.#buckets.put(key, known, now);
    });
  }

  async #chargeTogether(account: Account, askedAt: number): Promise<void> {
    const { address, guard } = account;
    const prefix = this.#shared?.prefix ?? '';
    const keys = (this.#names?.failureKeys(account) ?? []).map((key) => `${prefix}:${key}`);
    const costs = guard === null ? [address.cost] : [address.cost, guard.cost];
    const args = costs.flatMap((cost) => ['charge', cost]);
    const answer = (await this.#shared?.ask(keys, args)) ?? null;
    if (answer === null) return;
    const { now } = this.#moment();
    const used = answer.used.map((ticks) => ticks - (now - askedAt));
    this.#sources.learn(account, used, now);
  }

  #moment(): Moment {
    const now = Math.floor(this.#nowMs() * ticksPerMs);
    return { now, share: this.#shared?.isOn === false ? this.#shared.nodes : 1 };
  }
}

interface Taking {
  readonly draws: KnownDraws;
  /** The account of an address that failed before, which this delivery speaks for. */
  readonly debtor: Account | null;
}
