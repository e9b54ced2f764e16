// Ingest, admission: how many deliveries a second may come in while there are more than can be borne, and how
// they are shared among tenants. Pure: what happened in a stretch of time comes in, a rate and a quota go out.

/** What was seen since the last tick. */
export interface Stretch {
  readonly elapsedMs: number;
  /** Deliveries that wanted in. */
  readonly arrived: number;
  /** Deliveries that got their answer: what can be borne, while something waits. */
  readonly answered: number;
  /** Something waits longer than it should, now. */
  readonly isPressed: boolean;
}

/**
 * Pressure in a row before anything is refused: a burst passes, a standing queue does not. A sender that waits
 * gets its answer; one that is refused may never come again (Twilio does not repeat a status callback). The
 * least patient one, Telnyx, waits for 2 s.
 */
const standingTicks = 2;
const standingMs = 600;
/** Ticks in a row whose demand was well below the rate before all limits are lifted. */
const calmTicks = 20;
const decrease = 0.9;
const increase = 1.05;
/** Of what was answered when pressure began; below it refusing would be what the process is busy with. */
const leastPart = 0.3;

/**
 * The rate that is let in, per ms; infinite until a queue stands. Additive-increase of a kind: it falls
 * by a tenth a tick under pressure, rises by a twentieth without, so that the queue it is judged by comes
 * and goes around its target (CoDel's idea, RFC 8289, with a rate in place of drops).
 */
export class AdmissionRate {
  #rate = Infinity;
  #least = 0;
  #pressedTicks = 0;
  /** Since pressure began. */
  #answered = 0;
  #pressedMs = 0;
  #calm = 0;

  get perMs(): number {
    return this.#rate;
  }

  get isLimited(): boolean {
    return this.#rate !== Infinity;
  }

  tick(stretch: Stretch): void {
    if (!this.isLimited) {
      this.#watch(stretch);
      return;
    }
    const factor = stretch.isPressed ? decrease : increase;
    this.#rate = Math.max(this.#least, this.#rate * factor);
    const isCalm = !stretch.isPressed && stretch.arrived < 0.8 * this.#rate * stretch.elapsedMs;
    this.#calm = isCalm ? this.#calm + 1 : 0;
    if (this.#calm < calmTicks) return;
    this.#rate = Infinity;
    this.#watch({ ...stretch, isPressed: false });
  }

  #watch({ isPressed, answered, elapsedMs }: Stretch): void {
    this.#pressedTicks = isPressed ? this.#pressedTicks + 1 : 0;
    this.#answered = isPressed ? this.#answered + answered : 0;
    this.#pressedMs = isPressed ? this.#pressedMs + elapsedMs : 0;
    if (this.#pressedTicks < standingTicks || this.#pressedMs < standingMs) return;
    const borne = this.#answered / this.#pressedMs;
    this.#rate = decrease * borne;
    this.#least = leastPart * borne;
    this.#calm = 0;
  }
}

/**
 * Max-min fairness: the largest number that nobody may exceed so that all together take at most `budget`.
 * Who wants less than that gets all of it; what is left is shared by those who want more.
 */
export function fairQuota(demands: readonly number[], budget: number): number {
  const ascending = [...demands].sort((a, b) => a - b);
  let left = budget;
  for (const [index, demand] of ascending.entries()) {
    const share = left / (ascending.length - index);
    if (demand > share) return share;
    left -= demand;
  }
  return Infinity;
}
