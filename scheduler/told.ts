// Scheduler: what was told and is not seen yet. Comes in: timers that were appended, timers that are still there.
// Goes out: which of them are to be appended now. Only the projection removes a timer's row (design 3.3).

import type { TimerRow } from './due.js';

/** A timer's name over all tenants. */
export const nameOf = ({ tenant, callId, timerId }: TimerRow): string =>
  `${tenant}\0${callId}\0${timerId}`;

/** An append of unknown outcome, or one that the call did not take: it is repeated, ever less often. */
const repeatMs = { first: 60_000, most: 900_000 } as const;

interface Told {
  readonly times: number;
  readonly untilMs: number;
}

/** Remembers one term of one scheduler: another one begins with nothing, which only repeats. */
export class ToldTimers {
  #told = new Map<string, Told>();

  get size(): number {
    return this.#told.size;
  }

  /** True when it was told and may still be on its way. */
  has(row: TimerRow, nowMs: number): boolean {
    return nowMs < (this.#told.get(nameOf(row))?.untilMs ?? -Infinity);
  }

  /** True when it was told before. */
  isRepeat(row: TimerRow): boolean {
    return this.#told.has(nameOf(row));
  }

  /** `nowMs` is monotonic. */
  add(row: TimerRow, nowMs: number): void {
    const times = (this.#told.get(nameOf(row))?.times ?? 0) + 1;
    const waitMs = Math.min(repeatMs.most, repeatMs.first * 2 ** (times - 1));
    this.#told.set(nameOf(row), { times, untilMs: nowMs + waitMs });
  }

  /** It was not told after all. */
  drop(row: TimerRow): void {
    this.#told.delete(nameOf(row));
  }

  /** What is no longer there is forgotten; `present` must be all that is due, and all that is asked after. */
  keepOnly(present: readonly TimerRow[]): void {
    const names = new Set(present.map(nameOf));
    for (const name of this.#told.keys()) if (!names.has(name)) this.#told.delete(name);
  }
}
