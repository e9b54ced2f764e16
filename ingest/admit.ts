// Ingest: admission at the edge. Comes in: whose delivery wants in, and how large it is. Goes out: in, or why not.
// Bounds what is on its way to an answer, and under overload refuses first whoever sends most.

import type { Logger } from '../runtime/logger.js';
import type { TenantId } from '../schemas/ids.js';
import { AdmissionRate, fairQuota } from './admission-rate.js';
import { HeldRefusals } from './held-refusals.js';

/** `memory`: too many bytes wait for the log; `busy`: more come than can be taken. A closed set. */
export type AdmissionRefusal = 'memory' | 'busy';

/** What one tenant has on its way. Its fields are the admission's alone. */
export interface Share {
  inFlight: number;
  bytes: number;
  arrived: number;
  admitted: number;
  idleTicks: number;
}

export interface AdmissionOptions {
  /** Bytes on their way to an answer, all tenants together. Over half of it each tenant has its part only. */
  readonly inFlightBytes: number;
  /** True while the log takes deliveries, but fewer than come. */
  readonly isLogBehind: () => boolean;
  /** How long the delivery has waited that waits longest for its turn, in ms. */
  readonly waitedMs: () => number;
  readonly logger: Logger;
}

/** What a delivery costs beside its body: the request, its record, the promises that wait for it. */
const overheadBytes = 4096;

const tickMs = 50;
/** A loop that is later than this has more to do than it can. */
const lateMs = 20;
/** So has one whose deliveries wait longer than this for their turn; it is seldom late (turns.ts). */
const longWaitMs = 100;
/** With fewer arrivals in a tick something else holds the loop up, and refusing would not help. */
const leastArrivals = 50;
/** A tenant's part never falls below this many a tick: small senders are not what overload is made of. */
const leastQuota = 2;
/** A tenant without deliveries is forgotten after 10 s. */
const forgetTicks = 200;

/** The door of one process. Without overload it costs a look-up and a few additions a delivery. */
export class Admission {
  readonly #shares = new Map<TenantId, Share>();
  readonly #rate = new AdmissionRate();
  readonly #held: HeldRefusals;
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  #inFlight = 0;
  /** Tenants with something on its way. */
  #active = 0;
  #quota = Infinity;
  #answered = 0;
  #tickAt = performance.now();
  #refused = 0;

  constructor(private readonly options: AdmissionOptions) {
    this.#held = new HeldRefusals(options.inFlightBytes / 8);
    this.#timer = setInterval(() => this.tick(performance.now()), tickMs).unref();
  }

  get bytes(): number {
    return this.#bytes;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Tenants that are remembered. */
  get tenants(): number {
    return this.#shares.size;
  }

  /** Deliveries per second that are let in; infinite without overload. */
  get perSecond(): number {
    return this.#rate.perMs * 1000;
  }

  /** The share to `leave`, with the same bytes, once there is an answer; or why the delivery stays out. */
  enter(tenant: TenantId, bodyBytes: number): Share | AdmissionRefusal {
    const share = this.#shares.get(tenant) ?? this.#newShare(tenant);
    share.arrived += 1;
    const bytes = bodyBytes + overheadBytes;
    if (share.admitted >= this.#quota) return this.#refuse('busy');
    if (!this.#hasRoom(share, bytes)) return this.#refuse('memory');
    if (share.inFlight === 0) this.#active += 1;
    share.admitted += 1;
    share.inFlight += 1;
    share.bytes += bytes;
    this.#inFlight += 1;
    this.#bytes += bytes;
    return share;
  }

  leave(share: Share, bodyBytes: number): void {
    const bytes = bodyBytes + overheadBytes;
    share.inFlight -= 1;
    share.bytes -= bytes;
    this.#inFlight -= 1;
    this.#bytes -= bytes;
    this.#answered += 1;
    if (share.inFlight === 0) this.#active -= 1;
  }

  /** A delivery that has entered was not its tenant's: it counts for nobody's part. Before `leave`. */
  discount(share: Share): void {
    share.arrived -= 1;
    share.admitted -= 1;
  }

  /** Resolves when a refused delivery of this size is to be told so; at once where memory is short. */
  hold(refusal: AdmissionRefusal, bodyBytes: number): Promise<void> {
    return refusal === 'busy' ? this.#held.hold(bodyBytes + overheadBytes) : now;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#held.tellAll();
  }

  /** Looks at what waits and sets the quotas of the next tick; called by a timer. `now` is monotonic, in ms. */
  tick(now: number): void {
    const elapsedMs = Math.max(1, now - this.#tickAt);
    this.#tickAt = now;
    const arrived = this.#arrived();
    const answered = this.#answered;
    this.#answered = 0;
    const isSlow = elapsedMs - tickMs > lateMs || this.options.waitedMs() > longWaitMs;
    const isLate = isSlow && arrived >= leastArrivals;
    const isPressed = isLate || this.options.isLogBehind();
    const wasLimited = this.#rate.isLimited;
    this.#rate.tick({ elapsedMs, arrived, answered, isPressed });
    this.#quota = this.#rate.isLimited ? this.#fairPart(elapsedMs) : Infinity;
    if (wasLimited !== this.#rate.isLimited) this.#tell(isLate);
    this.#turn();
    this.#held.turn();
  }

  #newShare(tenant: TenantId): Share {
    const share = { inFlight: 0, bytes: 0, arrived: 0, admitted: 0, idleTicks: 0 };
    this.#shares.set(tenant, share);
    return share;
  }

  #hasRoom(share: Share, bytes: number): boolean {
    const all = this.#bytes + bytes;
    const { inFlightBytes } = this.options;
    if (all <= inFlightBytes / 2) return true;
    if (all > inFlightBytes) return false;
    const tenants = this.#active + (share.inFlight === 0 ? 1 : 0);
    return share.bytes + bytes <= inFlightBytes / 2 / tenants;
  }

  #refuse(reason: AdmissionRefusal): AdmissionRefusal {
    this.#refused += 1;
    return reason;
  }

  #arrived(): number {
    let arrived = 0;
    for (const share of this.#shares.values()) arrived += share.arrived;
    return arrived;
  }

  /** The next tick is taken to be as long, and to bring as much, as the last one. */
  #fairPart(elapsedMs: number): number {
    const demands = [...this.#shares.values()].map((share) => share.arrived);
    return Math.max(leastQuota, fairQuota(demands, this.#rate.perMs * elapsedMs));
  }

  #turn(): void {
    for (const [tenant, share] of this.#shares) {
      share.idleTicks = share.arrived === 0 && share.inFlight === 0 ? share.idleTicks + 1 : 0;
      share.arrived = 0;
      share.admitted = 0;
      if (share.idleTicks > forgetTicks) this.#shares.delete(tenant);
    }
  }

  #tell(isLate: boolean): void {
    const refused = this.#refused;
    this.#refused = 0;
    if (this.#rate.isLimited) {
      const fields = { code: 'overload_began', queue: isLate ? 'event_loop' : 'log' };
      const perSecond = Math.round(this.perSecond);
      this.options.logger.warn({ ...fields, perSecond }, 'more deliveries come than can be taken');
    } else {
      this.options.logger.info(
        { code: 'overload_ended', refused },
        'all deliveries are taken again',
      );
    }
  }
}

const now = Promise.resolve();
