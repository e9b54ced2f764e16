// Simulator: plays calls and messages of the providers against webhook URLs, open loop: a slow
// receiver does not slow the providers down until the bound on open requests is reached.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StoredCredential } from '../../ingest/providers/provider.js';
import { providerOf } from '../../ingest/providers/registry.js';
import { systemClock, type Clock } from '../../runtime/clock.js';
import { isAbort } from '../../runtime/errors.js';
import type { ProviderName } from '../../schemas/facts.js';
import { requestOf, type Activity, type Step, type Truth } from './activity.js';
import { planDeliveries, providerStart, type Disorder, type Plan } from './disorder.js';
import { DueQueue } from './due-queue.js';
import { seededRandom, type Random } from './random.js';
import { createSender, deliveryUrl, type Sender } from './send.js';
import { simulatedProvider } from './providers.js';
import { signOutgoing } from './sign.js';

/** A webhook endpoint to play against. */
export interface SimulatorTarget {
  readonly provider: ProviderName;
  /** Where to send. */
  readonly url: string;
  /** What to sign, where the public URL differs from `url`. */
  readonly signedUrl?: string;
  /** What the simulated account signs with. */
  readonly sender: StoredCredential;
}

export interface SimulatorOptions extends Disorder {
  readonly targets: readonly [SimulatorTarget, ...SimulatorTarget[]];
  readonly seed: number;
  /** How many calls and records; null goes on until the signal. */
  readonly calls: number | null;
  /** Deliveries per second on average. */
  readonly rate: number;
  /** Share of activities that are messages, 0 to 1. */
  readonly messages: number;
  /** 1 is life; 10 plays ten seconds in one. */
  readonly speed: number;
  /** Bound on requests that wait for their answer. */
  readonly maxInFlight: number;
  /**
   * On abort everything that has begun is brought to its end at once, for at most so long, so that
   * no call is left open for ever. Default 0: on abort open requests are cut.
   */
  readonly finishWithinMs?: number;
  readonly clock?: Clock;
  /** Instead of plain connections without retries; closed at the end. */
  readonly sender?: Sender;
  /** About once a second, and once at the end. */
  readonly onProgress?: (report: SimulatorReport) => void;
  /** When everything of an activity was sent. */
  readonly onTruth?: (truth: SettledTruth) => void;
}

/** The truth of an activity, and whether what was sent is enough to find it. */
export type SettledTruth = Truth & {
  readonly sent: number;
  readonly refused: number;
  readonly dropped: number;
  /** True when a receiver must end up with `status` and `cause`. */
  readonly isDecided: boolean;
};

export interface SimulatorReport {
  readonly calls: number;
  readonly messages: number;
  readonly records: number;
  readonly sent: number;
  readonly accepted: number;
  /** Answers other than 2xx, by status; `error` where there was none. */
  readonly refused: Readonly<Record<string, number>>;
  readonly dropped: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** Furthest a delivery was sent after its time: over a second, the sender could not keep up. */
  readonly maxLateMs: number;
}

type Counts = { -readonly [Name in keyof SimulatorReport]: SimulatorReport[Name] } & {
  refused: Record<string, number>;
};

interface Played {
  readonly activity: Activity;
  readonly plan: Plan;
  readonly target: SimulatorTarget;
  readonly startMs: number;
  open: number;
  refused: number;
}

interface DueDelivery {
  readonly dueMs: number;
  readonly step: Step;
  readonly attempt: number;
  readonly played: Played;
}

/** What happens next at a target's provider: a message with the chance of `messageShare`. */
export function nextActivity(
  { provider, sender }: SimulatorTarget,
  random: Random,
  messageShare: number,
): Activity {
  const { calls, messages, records } = simulatedProvider(provider);
  const others = [...calls, ...records];
  const wanted = random.chance(messageShare) ? messages : others;
  const [first, ...rest] = wanted.length > 0 ? wanted : [...others, ...messages];
  if (first === undefined) throw new TypeError(`nothing can happen at ${provider}`);
  return random.pick([first, ...rest])(random, sender);
}

const counted = { call: 'calls', message: 'messages', record: 'records' } as const;

class Simulation {
  readonly #options: SimulatorOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sender: Sender;
  readonly #due = new DueQueue<DueDelivery>();
  readonly #open = new Set<Promise<void>>();
  readonly #counts: Counts = {
    calls: 0,
    messages: 0,
    records: 0,
    sent: 0,
    accepted: 0,
    refused: {},
    dropped: 0,
    duplicated: 0,
    reordered: 0,
    maxLateMs: 0,
  };
  /** Targets that have not had their turn in this round. */
  #turns: SimulatorTarget[] = [];
  /** When the next activity starts; infinite when there is none. */
  #nextStartMs: number;
  #nextProgressMs: number;

  constructor(options: SimulatorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = seededRandom(options.seed);
    this.#sender =
      options.sender ?? createSender({ maxSockets: options.maxInFlight, timeoutMs: 15_000 });
    this.#nextStartMs = options.calls === 0 ? Infinity : this.#clock();
    this.#nextProgressMs = this.#clock() + 1000;
  }

  async run(signal: AbortSignal): Promise<SimulatorReport> {
    try {
      while (!signal.aborted && (this.#due.size > 0 || this.#nextStartMs !== Infinity)) {
        await this.#step(signal);
      }
    } catch (thrown) {
      if (!isAbort(thrown)) throw thrown;
    } finally {
      if (signal.aborted) await this.#finish();
      else await Promise.all(this.#open);
      this.#sender.close();
    }
    this.#options.onProgress?.(this.#report());
    return this.#report();
  }

  /** Does what is due, then waits for the next thing. */
  async #step(signal: AbortSignal): Promise<void> {
    const now = this.#clock();
    if (this.#nextStartMs <= now) this.#startActivity();
    const first = this.#due.peek();
    if (first !== undefined && first.dueMs <= now) {
      this.#due.pop();
      if (this.#open.size >= this.#options.maxInFlight) await Promise.race(this.#open);
      this.#dispatch(first);
    }
    if (now >= this.#nextProgressMs) {
      this.#nextProgressMs = now + 1000;
      this.#options.onProgress?.(this.#report());
    }
    const next = Math.min(this.#nextStartMs, this.#due.peek()?.dueMs ?? Infinity);
    if (next === Infinity) return;
    const waitMs = Math.min(next, this.#nextProgressMs) - this.#clock();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal });
  }

  #startActivity(): void {
    const { targets, messages, speed, rate, calls } = this.#options;
    const sendMs = this.#nextStartMs;
    const target = this.#nextTarget(targets);
    const activity = nextActivity(target, this.#random, messages);
    const plan = planDeliveries(activity, this.#options, speed, this.#random);
    const counts = this.#counts;
    counts[counted[activity.truth.kind]] += 1;
    counts.dropped += plan.dropped;
    counts.duplicated += plan.duplicated;
    counts.reordered += plan.reordered;
    const startMs = providerStart(activity, sendMs, speed);
    const open = plan.deliveries.length;
    const played: Played = { activity, plan, target, startMs, open, refused: 0 };
    for (const { sendAtMs, step, attempt } of plan.deliveries) {
      this.#due.push({ dueMs: sendMs + sendAtMs, step, attempt, played });
    }
    if (open === 0) this.#settle(played);
    const isLast = calls !== null && counts.calls + counts.records >= calls;
    this.#nextStartMs = isLast ? Infinity : sendMs + (Math.max(1, open) * 1000) / rate;
  }

  /** Every target once before any comes again, in an order by chance. */
  #nextTarget([first, ...rest]: SimulatorOptions['targets']): SimulatorTarget {
    if (this.#turns.length === 0) this.#turns = [first, ...rest];
    const at = this.#random.between(0, this.#turns.length - 1);
    return this.#turns.splice(at, 1)[0] ?? first;
  }

  #dispatch({ dueMs, step, attempt, played }: DueDelivery): void {
    const now = this.#clock();
    this.#counts.maxLateMs = Math.max(this.#counts.maxLateMs, Math.round(now - dueMs));
    const content = step.content(played.startMs, attempt);
    const { provider, url, signedUrl = url, sender } = played.target;
    const webhook = signOutgoing(providerOf(provider), requestOf(content, signedUrl), sender, now);
    this.#counts.sent += 1;
    const open = this.#sender.send(webhook, deliveryUrl(url, webhook.url)).then((outcome) => {
      this.#open.delete(open);
      const isAccepted = outcome.status !== null && outcome.status >= 200 && outcome.status < 300;
      if (isAccepted) this.#counts.accepted += 1;
      else this.#refuse(played, outcome.status === null ? 'error' : String(outcome.status));
      played.open -= 1;
      if (played.open === 0) this.#settle(played);
    });
    this.#open.add(open);
  }

  /** What remains of everything begun happens now, as if all parties hung up; no truth is told of it. */
  async #finish(): Promise<void> {
    const { finishWithinMs = 0 } = this.#options;
    const deadline = AbortSignal.timeout(finishWithinMs);
    for (let next = this.#due.pop(); next !== undefined; next = this.#due.pop()) {
      if (deadline.aborted) return;
      const { step, played } = next;
      this.#dispatch({ ...next, played: { ...played, startMs: this.#clock() - step.atMs } });
      if (this.#open.size >= this.#options.maxInFlight) await Promise.race(this.#open);
    }
    await Promise.race([Promise.all(this.#open), once(deadline, 'abort')]);
  }

  #refuse(played: Played, what: string): void {
    played.refused += 1;
    this.#counts.refused[what] = (this.#counts.refused[what] ?? 0) + 1;
  }

  #settle({ activity, plan, refused }: Played): void {
    const { dropped, deliveries, isDecided } = plan;
    this.#options.onTruth?.({
      ...activity.truth,
      sent: deliveries.length,
      refused,
      dropped,
      isDecided: isDecided && refused === 0,
    });
  }

  #report(): SimulatorReport {
    return { ...this.#counts, refused: { ...this.#counts.refused } };
  }
}

/**
 * Plays until `calls` calls have ended or the signal aborts (then open requests are cut). Refused
 * deliveries are counted and never repeated.
 */
export function runSimulator(
  options: SimulatorOptions,
  signal: AbortSignal,
): Promise<SimulatorReport> {
  return new Simulation(options).run(signal);
}
