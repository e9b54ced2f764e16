// Virtual time for the log protocol: every await of the production code that leaves the process is
// a step here, and a seeded choice says which goes next. The same seed gives the same run.

import type { AppendFate, MemorySchedule } from '../../../log/memory.js';
import type { Sleep } from '../../../log/pause.js';

/** Uniform numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What may crash as a whole: none of its pending steps is ever taken. */
export interface Process {
  readonly name: string;
  alive: boolean;
}

type StepKind = 'io' | 'landing' | 'timer';

interface Step {
  /** Null: the step happens whoever has crashed, e.g. a delayed append that lands. */
  readonly process: Process | null;
  readonly kind: StepKind;
  readonly run: () => void;
}

export class Scheduler {
  readonly random: () => number;
  /** How likely the process that went last goes on: bursts find what even chances do not. */
  readonly #burst: number;
  /** How likely each kind of step is: in some worlds delayed appends land late, in some soon. */
  readonly #weights: Readonly<Record<StepKind, number>>;
  #pending: Step[] = [];
  #last: Process | null = null;

  constructor(random: () => number) {
    this.random = random;
    this.#burst = random() * 0.98;
    this.#weights = { io: 12, landing: 0.5 + random() * 5, timer: 1 };
  }

  integer(below: number): number {
    return Math.floor(this.random() * below);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  step(process: Process): Promise<void> {
    return new Promise((resolve) => {
      this.#add({ process, kind: 'io', run: resolve });
    });
  }

  later(run: () => void): void {
    this.#add({ process: null, kind: 'landing', run });
  }

  timer(process: Process, fire: () => void): () => void {
    const step: Step = { process, kind: 'timer', run: fire };
    this.#add(step);
    return () => {
      this.#pending = this.#pending.filter((one) => one !== step);
    };
  }

  sleep(process: Process): Sleep {
    return (_ms, signal) =>
      new Promise((resolve) => {
        const done = (): void => {
          cancel();
          signal.removeEventListener('abort', done);
          resolve();
        };
        const cancel = this.timer(process, done);
        signal.addEventListener('abort', done);
        if (signal.aborted) done();
      });
  }

  crash(process: Process): void {
    process.alive = false;
    this.#pending = this.#pending.filter((step) => step.process !== process);
  }

  /** The memory driver's schedule of one process. */
  schedule(process: Process, fate: () => AppendFate): MemorySchedule {
    return {
      step: () => this.step(process),
      fate: (topic) => (topic === 'events' ? fate() : 'ok'),
      later: (land) => {
        this.later(land);
      },
      timer: (_ms, fire) => this.timer(process, fire),
    };
  }

  /** Takes one step and lets everything that follows from it come to rest. False: none is left. */
  async advance(mode: 'chaos' | 'quiet'): Promise<boolean> {
    const step = mode === 'chaos' ? this.#pickAny() : this.#pickQuiet();
    if (step === undefined) return false;
    this.#pending = this.#pending.filter((one) => one !== step);
    this.#last = step.process;
    step.run();
    await settled();
    return true;
  }

  #add(step: Step): void {
    if (step.process?.alive !== false) this.#pending.push(step);
  }

  #pickAny(): Step | undefined {
    const same = this.#pending.filter((s) => s.process === this.#last && s.kind === 'io');
    if (same.length > 0 && this.chance(this.#burst)) return same[this.integer(same.length)];
    const total = this.#pending.reduce((sum, step) => sum + this.#weights[step.kind], 0);
    let left = this.random() * total;
    return this.#pending.find((step) => (left -= this.#weights[step.kind]) < 0);
  }

  /** A timer fires only when nothing else can happen. */
  #pickQuiet(): Step | undefined {
    for (const kind of ['io', 'landing', 'timer'] as const) {
      const steps = this.#pending.filter((step) => step.kind === kind);
      if (steps.length > 0) return steps[this.integer(steps.length)];
    }
    return undefined;
  }
}

/** All microtasks have run; nothing here uses a macrotask. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
