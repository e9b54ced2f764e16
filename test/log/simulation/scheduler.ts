// Virtual time for the log protocol: every await of the production code that leaves the process is
// a step here, and a seeded choice says which goes next. The same seed gives the same run.

import type { AppendFate, MemorySchedule } from '../../../log/memory.js';
import type { Sleep } from '../../../log/pause.js';
import { numberAt, streamOf } from './dice.js';

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
  readonly label: string;
  readonly run: () => void;
}

export interface SchedulerOptions {
  readonly seed: number;
  /** Told of each step that is taken. */
  readonly onStep: (text: string) => void;
  /** Steps at which chance says which goes next; at the others whoever is at it goes on. Default: all. */
  readonly turns: ReadonlySet<number> | null;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  /** How likely the process that went last goes on: bursts find what even chances do not. */
  readonly #burst: number;
  /** How likely each kind of step is: in some worlds delayed appends land late, in some soon. */
  readonly #weights: Readonly<Record<StepKind, number>>;
  #pending: Step[] = [];
  #last: Process | null = null;

  constructor(options: SchedulerOptions) {
    const random = streamOf(options.seed, 'steps');
    this.#options = options;
    this.#burst = random() * 0.98;
    this.#weights = { io: 12, landing: 0.5 + random() * 5, timer: 1 };
  }

  step(process: Process, label: string): Promise<void> {
    return new Promise((resolve) => {
      this.#add({ process, kind: 'io', label, run: resolve });
    });
  }

  later(label: string, run: () => void): void {
    this.#add({ process: null, kind: 'landing', label, run });
  }

  timer(process: Process, fire: () => void): () => void {
    const step: Step = { process, kind: 'timer', label: 'a timer fires', run: fire };
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
      step: (at) => this.step(process, at),
      fate: (topic) => (topic === 'events' ? fate() : 'ok'),
      later: (land) => {
        this.later(`an append of ${process.name} lands`, land);
      },
      timer: (_ms, fire) => this.timer(process, fire),
    };
  }

  /** Takes step `index` and lets everything that follows from it come to rest. False: none is left. */
  async advance(mode: 'chaos' | 'quiet', index: number): Promise<boolean> {
    const step = mode === 'chaos' ? this.#pick(index) : this.#pickQuiet(index);
    if (step === undefined) return false;
    this.#pending = this.#pending.filter((one) => one !== step);
    this.#last = step.process;
    this.#options.onStep(step.process === null ? step.label : `${step.process.name} ${step.label}`);
    step.run();
    await settled();
    return true;
  }

  #add(step: Step): void {
    if (step.process?.alive !== false) this.#pending.push(step);
  }

  #pick(index: number): Step | undefined {
    const { turns } = this.#options;
    if (turns !== null && !turns.has(index)) return this.#pickOn();
    const { seed } = this.#options;
    const [burst, which] = [numberAt(seed, 0, index), numberAt(seed, 1, index)] as const;
    const same = this.#pending.filter((s) => s.process === this.#last && s.kind === 'io');
    if (same.length > 0 && burst < this.#burst) return oneOf(same, which);
    const total = this.#pending.reduce((sum, step) => sum + this.#weights[step.kind], 0);
    let left = which * total;
    return this.#pending.find((step) => (left -= this.#weights[step.kind]) < 0);
  }

  /** Whoever went last goes on; a timer fires only when nothing else can happen. */
  #pickOn(): Step | undefined {
    const io = this.#pending.filter(({ kind }) => kind === 'io');
    const own = io.find(({ process }) => process === this.#last);
    return own ?? io[0] ?? this.#pending.find(({ kind }) => kind === 'timer') ?? this.#pending[0];
  }

  /** By chance, but what was delayed comes after all else, and a timer last. */
  #pickQuiet(index: number): Step | undefined {
    for (const kind of ['io', 'landing', 'timer'] as const) {
      const steps = this.#pending.filter((step) => step.kind === kind);
      if (steps.length > 0) return oneOf(steps, numberAt(this.#options.seed, 2, index));
    }
    return undefined;
  }
}

const oneOf = (steps: readonly Step[], number: number): Step | undefined =>
  steps[Math.floor(number * steps.length)];

/** All microtasks have run; nothing here uses a macrotask. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
