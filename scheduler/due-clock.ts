// Scheduler: what time it is. Comes in: the database's clock, and one of our own that never jumps. Goes out: the
// instant by which timers are judged. A leap ahead is believed once it has lasted.

export interface DueClockOptions {
  /** How long a leap ahead must last before it counts. */
  readonly holdMs: number;
  readonly onLeap?: (byMs: number) => void;
}

/** What moves further than this against our own clock has leapt; drift and slow answers do not. */
const leapMs = 5_000;

/**
 * The database's clock is the judge of all schedulers. When it goes back, timers wait for it: they are instants,
 * and none fires early. When it leaps ahead (a clock that was set, a machine that slept), what came in meanwhile
 * gets a while to be taken in before the silence of calls is judged.
 */
export class DueClock {
  #last: { readonly atMs: number; readonly monoMs: number } | null = null;
  #leap: { readonly sinceMonoMs: number } | null = null;

  constructor(private readonly options: DueClockOptions) {}

  /** `databaseMs` since 1970, `monoMs` of our own clock, both of one moment. */
  judge(databaseMs: number, monoMs: number): number {
    const last = this.#last;
    const expectedMs = last === null ? databaseMs : last.atMs + (monoMs - last.monoMs);
    const byMs = databaseMs - expectedMs;
    if (byMs <= leapMs) {
      if (byMs < -leapMs) this.options.onLeap?.(byMs);
      this.#leap = null;
      return this.#accept(databaseMs, monoMs);
    }
    if (this.#leap === null) {
      this.#leap = { sinceMonoMs: monoMs };
      this.options.onLeap?.(byMs);
    }
    if (monoMs - this.#leap.sinceMonoMs >= this.options.holdMs) {
      this.#leap = null;
      return this.#accept(databaseMs, monoMs);
    }
    return this.#accept(expectedMs, monoMs);
  }

  /** The instant now, as far as the last judgement tells. */
  at(monoMs: number): number {
    return this.#last === null ? 0 : Math.round(this.#last.atMs + (monoMs - this.#last.monoMs));
  }

  #accept(atMs: number, monoMs: number): number {
    this.#last = { atMs, monoMs };
    return atMs;
  }
}
