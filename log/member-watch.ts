// The Kafka log, assignment: whether kafkajs still keeps a membership. Comes in: its signs of life. Goes
// out: why it has to be given up, where its client would not say so.

import { steadyClock, systemClock, type Clock } from '../runtime/clock.js';

/** Set back by less the next heartbeat is late by that, and still in time. */
const toleratedMs = 1_000;

/**
 * Two things go unsaid. kafkajs can hang without a crash (#659, #1513): silence tells. And it takes the
 * time of its next heartbeat from the wall clock: set back by an hour, it sends none for an hour, is
 * expelled, and goes on as a member whose partitions another has.
 */
export class MemberWatch {
  #lastSign: number;
  #offset: number;

  constructor(
    private readonly sessionTimeoutMs: number,
    private readonly clocks: { readonly steady: Clock; readonly wall: Clock } = {
      steady: steadyClock,
      wall: systemClock,
    },
  ) {
    this.#lastSign = clocks.steady();
    this.#offset = this.#offsetNow();
  }

  /** The group has answered. */
  sign(): void {
    this.#lastSign = this.clocks.steady();
  }

  /** Asked several times a second; null while all is well. */
  look(): string | null {
    const before = this.#offset;
    this.#offset = this.#offsetNow();
    if (this.#offset < before - toleratedMs) return 'the clock was set back';
    const silentMs = this.clocks.steady() - this.#lastSign;
    return silentMs > 2 * this.sessionTimeoutMs ? 'no heartbeat' : null;
  }

  #offsetNow(): number {
    return this.clocks.wall() - this.clocks.steady();
  }
}
