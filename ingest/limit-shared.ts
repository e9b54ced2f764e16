// Ingest, the rate limit over several nodes. Comes in: the buckets of a request as keys. Goes out: what
// Redis says of them within the deadline, or null: then this node decides alone. Never rejects, never waits
// for a Redis that is known to be away.

import { randomUUID } from 'node:crypto';

import { toError } from '../runtime/errors.js';
import { codeOf, type RedisConnection } from '../runtime/redis.js';
import { announceScript, takeScript } from './limit-script.js';

/** Why Redis is not used. */
export type Absence = 'late' | 'failed' | 'not_reached';

/** What becomes of sharing, for metrics, log and health. */
export interface SharingWatch {
  /** The nodes count together from now on; they did not for `afterMs`, null at the start. */
  together(nodes: number, afterMs: number | null): void;
  /** Each node counts alone from now on; `reason` is an error's code, never its text. */
  alone(absence: Absence, reason: string, nodes: number): void;
  /** A turn's questions were all answered after so long. */
  answered(tookMs: number): void;
}

export interface SharedOptions {
  readonly redis: RedisConnection;
  /** First part of every key: the installation. */
  readonly prefix: string;
  readonly watch: SharingWatch;
  /** How long a request waits for Redis. */
  readonly deadlineMs?: number;
  /** How often this node announces itself, and looks for a Redis that is away. */
  readonly everyMs?: number;
}

/** For each bucket the ticks until it is full; `ok` when all took their tokens. */
export interface SharedAnswer {
  readonly ok: boolean;
  readonly used: readonly number[];
}

interface Question {
  isOver: boolean;
  readonly resolve: (answer: SharedAnswer | null) => void;
}

/** The questions of one turn of the event loop: one write, one deadline. */
interface Turn {
  readonly questions: Question[];
  /** The questions leave at the end of the turn: what it takes until then is not Redis's fault. */
  sentAt: number;
  open: number;
  timer: NodeJS.Timeout | undefined;
}

const goneAfterTimes = 4;
/** A connection that has been silent for so many probes is given up. */
const silentProbes = 5;
/** A Redis that is lost again soon after it came back is believed more slowly, up to this. */
const mostPatienceMs = 30_000;

/** Counting together, while Redis answers in time. */
export class SharedLimits {
  readonly #id = randomUUID();
  /** Resolves once Redis has answered for the first time, or has not. */
  readonly started: Promise<void>;
  #start: () => void = () => undefined;
  readonly #deadlineMs: number;
  readonly #everyMs: number;
  #turn: Turn | null = null;
  #isOn = false;
  #nodes = 1;
  /** Since when it is as it is; -Infinity before Redis was first asked. */
  #sinceMs = -Infinity;
  #patienceMs = 0;
  #resume: () => void = () => undefined;
  #isWoken = false;

  constructor(private readonly options: SharedOptions) {
    this.#deadlineMs = options.deadlineMs ?? 50;
    this.#everyMs = options.everyMs ?? 1_000;
    this.started = new Promise((resolve) => (this.#start = resolve));
    options.redis.onReady(() => {
      if (this.#patienceMs <= this.#everyMs) this.#wake();
    });
  }

  /** False while Redis is away: nobody need ask. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** How many nodes there were when Redis was last heard of; 1 before that. */
  get nodes(): number {
    return this.#nodes;
  }

  get prefix(): string {
    return this.options.prefix;
  }

  /** One call of the script for one request. Null: too late, refused or gone; what was sent may count. */
  ask(keys: readonly string[], args: readonly (string | number)[]): Promise<SharedAnswer | null> {
    const turn = this.#turn ?? this.#beginTurn();
    turn.open += 1;
    return new Promise((resolve) => {
      const question: Question = { isOver: false, resolve };
      turn.questions.push(question);
      this.options.redis.run(takeScript, keys, args).then(
        (reply) => this.#answered(turn, question, reply),
        (thrown: unknown) => this.#failed(turn, question, thrown),
      );
    });
  }

  /** Announces this node and watches for Redis until the signal aborts; then takes its leave. */
  async run(signal: AbortSignal): Promise<void> {
    const { redis } = this.options;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    let silent = 0;
    if (!signal.aborted) await this.#pause();
    while (!signal.aborted) {
      const outcome = await this.#announce('stay');
      this.#start();
      silent = outcome === 'late' ? silent + 1 : 0;
      if (silent >= silentProbes) {
        silent = 0;
        redis.reconnect();
      }
      await this.#pause();
    }
    this.#start();
    if (this.#isOn) await this.#announce('leave');
    this.#isOn = false;
    redis.close();
  }

  /** Ends the pause that runs, or the next one before it begins. */
  #wake(): void {
    this.#isWoken = true;
    this.#resume();
  }

  #beginTurn(): Turn {
    const turn: Turn = { questions: [], sentAt: performance.now(), open: 0, timer: undefined };
    this.#turn = turn;
    setImmediate(() => {
      this.#turn = null;
      turn.sentAt = performance.now();
      if (turn.open > 0) turn.timer = afterReading(this.#deadlineMs, () => this.#late(turn));
    });
    return turn;
  }

  #answered(turn: Turn, question: Question, reply: unknown): void {
    if (question.isOver) return;
    const answer = readAnswer(reply);
    this.#settle(turn, question, answer);
    if (answer === null) this.#lose('failed', 'not_understood');
    else if (turn.open === 0) this.options.watch.answered(performance.now() - turn.sentAt);
  }

  #failed(turn: Turn, question: Question, thrown: unknown): void {
    if (question.isOver) return;
    this.#settle(turn, question, null);
    this.#lose('failed', codeOf(toError(thrown)));
  }

  #late(turn: Turn): void {
    if (turn.open === 0) return;
    this.#lose('late', `${this.#deadlineMs} ms`);
    for (const question of turn.questions) {
      if (!question.isOver) this.#settle(turn, question, null);
    }
  }

  #settle(turn: Turn, question: Question, answer: SharedAnswer | null): void {
    question.isOver = true;
    turn.open -= 1;
    if (turn.open === 0) clearTimeout(turn.timer);
    question.resolve(answer);
  }

  async #announce(how: 'stay' | 'leave'): Promise<'ok' | 'late' | 'failed'> {
    const { redis, prefix } = this.options;
    const goneMs = this.#everyMs * goneAfterTimes;
    const asked = redis.run(announceScript, [`${prefix}:nodes`], [this.#id, goneMs, how]);
    const answer = await Promise.race([
      asked.catch((thrown: unknown) => toError(thrown)),
      late(this.#deadlineMs),
    ]);
    if (how === 'leave') return 'ok';
    if (answer === null) this.#lose('late', `${this.#deadlineMs} ms`);
    else if (typeof answer === 'number') this.#gain(Math.max(1, answer));
    else if (answer instanceof Error) this.#lose('not_reached', codeOf(answer));
    else this.#lose('failed', 'not_understood');
    return answer === null ? 'late' : typeof answer === 'number' ? 'ok' : 'failed';
  }

  #gain(nodes: number): void {
    this.#nodes = nodes;
    if (this.#isOn) return;
    const now = performance.now();
    const afterMs = this.#sinceMs === -Infinity ? null : now - this.#sinceMs;
    this.#isOn = true;
    this.#sinceMs = now;
    this.options.watch.together(nodes, afterMs);
  }

  #lose(absence: Absence, reason: string): void {
    if (!this.#isOn && this.#sinceMs !== -Infinity) return;
    const now = performance.now();
    const isSoon = now - this.#sinceMs < mostPatienceMs;
    const patienceMs = isSoon ? 2 * this.#patienceMs : 0;
    this.#patienceMs = Math.min(mostPatienceMs, Math.max(this.#everyMs, patienceMs));
    this.#isOn = false;
    this.#sinceMs = now;
    this.options.watch.alone(absence, reason, this.#nodes);
  }

  /** Until the next announcement; sooner when Redis says that it is ready, or at the end. */
  async #pause(): Promise<void> {
    let leftMs = this.#everyMs;
    while (leftMs > 0 && !this.#isWoken) {
      await this.#sleep(leftMs);
      // Lost meanwhile: then the next try is as far away as the last outages say.
      leftMs = this.#isOn ? 0 : this.#sinceMs + this.#patienceMs - performance.now();
    }
    this.#isWoken = false;
  }

  async #sleep(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
      timer = setTimeout(resolve, ms).unref();
    });
    clearTimeout(timer);
  }
}

function readAnswer(reply: unknown): SharedAnswer | null {
  if (!Array.isArray(reply) || !reply.every((one) => typeof one === 'number')) return null;
  const [ok, ...used] = reply;
  return { ok: ok === 1, used };
}

/** Calls after `ms` and once the socket was read: when our event loop is late the answer may lie there. */
const afterReading = (ms: number, call: () => void): NodeJS.Timeout =>
  setTimeout(() => setImmediate(call), ms);

/** Null `ms` after the end of this turn. */
const late = (ms: number): Promise<null> =>
  new Promise((resolve) => {
    setImmediate(() => afterReading(ms, () => resolve(null)));
  });
