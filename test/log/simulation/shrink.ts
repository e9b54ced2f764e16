// From a schedule that breaks a promise to a small one that still does. Comes in: the options of a world
// that failed. Goes out: the fewest faults, steps and turns found, replayed by the same seed.

import { runWorld, type WorldOptions, type WorldResult } from './world.js';

/** What is left of a schedule. */
interface Size {
  /** Steps before faults stop. */
  readonly steps: number;
  /** Ids of the faults that happen. */
  readonly only: ReadonlySet<string>;
  /** Steps at which chance says who goes next; at the others whoever is at it goes on. */
  readonly turns: ReadonlySet<number>;
}

export interface Shrunk {
  readonly options: WorldOptions & Size;
  readonly result: WorldResult;
  readonly runs: number;
}

/** Most runs spent on one failure: some seconds. */
const maxRuns = 3_000;

/** The first word: it must stay the same promise that is broken. */
const promiseOf = ({ violations }: WorldResult): string | undefined => violations[0]?.split(' ')[0];

/** Leaves out faults, steps and turns in ever smaller pieces while the same promise is still broken. */
export async function shrink(options: WorldOptions): Promise<Shrunk> {
  const first = await runWorld(options);
  const shrinking = new Shrinking(options, first);
  for (let before = ''; before !== shrinking.size;) {
    before = shrinking.size;
    await shrinking.cutSteps();
    await shrinking.leaveOut('only');
    await shrinking.leaveOut('turns');
  }
  return shrinking.best;
}

class Shrinking {
  readonly #promise: string | undefined;
  #best: Shrunk;
  #runs = 1;

  constructor(options: WorldOptions, first: WorldResult) {
    this.#promise = promiseOf(first);
    const turns = new Set(Array.from({ length: first.chaosSteps }, (_, i) => i + 1));
    const size: Size = { steps: first.chaosSteps, only: new Set(first.faults), turns };
    this.#best = { options: { ...options, ...size }, result: first, runs: 1 };
  }

  get best(): Shrunk {
    return { ...this.#best, runs: this.#runs };
  }

  get size(): string {
    const { steps, only, turns } = this.#best.options;
    return `${steps} ${only.size} ${turns.size}`;
  }

  async cutSteps(): Promise<void> {
    for (let cut = this.#best.options.steps; cut >= 1; cut = Math.floor(cut / 2)) {
      for (let cuts = true; cuts && cut <= this.#best.options.steps;) {
        cuts = await this.#breaks({ steps: this.#best.options.steps - cut });
      }
    }
  }

  async leaveOut(what: 'only' | 'turns'): Promise<void> {
    const count = (): number => this.#best.options[what].size;
    for (let piece = count(); piece >= 1; piece = Math.floor(piece / 2)) {
      for (let at = 0; at < count();) {
        const all: readonly (string | number)[] = [...this.#best.options[what]];
        const left = new Set([...all.slice(0, at), ...all.slice(at + piece)]);
        if (!(await this.#breaks({ [what]: left }))) at += piece;
      }
    }
  }

  async #breaks(change: Partial<Size>): Promise<boolean> {
    if (this.#runs >= maxRuns || this.#promise === undefined) return false;
    this.#runs += 1;
    const tried = { ...this.#best.options, ...change };
    const result = await runWorld(tried);
    if (promiseOf(result) !== this.#promise) return false;
    // What no longer happens need not be named.
    const only = new Set(result.faults);
    const turns = new Set([...tried.turns].filter((turn) => turn <= tried.steps));
    this.#best = { ...this.#best, options: { ...tried, only, turns }, result };
    return true;
  }
}

/** The command that runs this very schedule again and tells every step of it. */
export function replayCommand({ options }: Shrunk, without: string | null): string {
  const { seed, steps, only, turns } = options;
  const listed = (ids: Iterable<string | number>): string => [...ids].join(',') || 'none';
  return [
    `npm run model -- --seed ${seed}`,
    ...(without === null ? [] : [`--without '${without}'`]),
    `--steps ${steps} --only ${listed(only)} --turns ${listed(turns)}`,
  ].join(' ');
}
