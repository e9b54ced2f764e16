// Scheduler: asking after calls nobody told the end of. Comes in: calls that are overdue. Goes out: facts of what
// the provider says, or the reason why the end must be inferred. Slow answers hold up nothing else.

import type { OwnFact } from '../log/own-facts.js';
import { isAbort, toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { TimerRow } from './due.js';
import type { InferenceReason } from './timer-fact.js';
import { nameOf } from './told.js';

/**
 * `told`: the provider knows the call, these are facts of it. `unknowable`: there is nothing to wait for. `later`:
 * it may know when it is asked again; `reason` stands where nobody says better before the patience ends.
 */
export type Answer =
  | { readonly kind: 'told'; readonly facts: readonly OwnFact[] }
  | { readonly kind: 'unknowable'; readonly reason: InferenceReason }
  | { readonly kind: 'later'; readonly reason: InferenceReason; readonly againInMs: number };

/** When it is asked, by the clock of the timers; and until when. */
export interface AskContext {
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

/** Asks a provider after one call. Rejects only when the signal aborts, or by a defect. */
export type AskProvider = (row: TimerRow, context: AskContext) => Promise<Answer>;

/** Where nobody can be asked. */
export const noApi: AskProvider = () =>
  Promise.resolve({ kind: 'unknowable', reason: 'provider_has_no_api' });

export interface AskingOptions {
  readonly ask: AskProvider;
  readonly append: (facts: readonly OwnFact[]) => Promise<unknown>;
  /** Ends the call by inference, unless that was said already. */
  readonly infer: (row: TimerRow, reason: InferenceReason) => Promise<void>;
  readonly logger: Logger;
  /** Monotonic ms. */
  readonly now: () => number;
  /** The instant, ms since 1970. */
  readonly at: () => number;
}

/** Calls that are asked after at once. */
const atOnce = 16;
const afterDefectMs = 30_000;
/** What was told takes its way through log and projection before the row shows it. */
const afterToldMs = 30_000;

interface Asked {
  readonly reason: InferenceReason;
  readonly againMs: number;
}

/** The questions of one term of one scheduler. */
export class Asking {
  readonly #options: AskingOptions;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #asked = new Map<string, Asked>();

  constructor(options: AskingOptions) {
    this.#options = options;
  }

  /** Why the end of this call is inferred if nothing better comes; null before it was asked after once. */
  reasonOf(row: TimerRow): InferenceReason | null {
    return this.#asked.get(nameOf(row))?.reason ?? null;
  }

  /** Begins to ask after those that are to be asked after now; `rows` must be all there are, or the first of them. */
  begin(rows: readonly TimerRow[], signal: AbortSignal): void {
    this.#forget(rows);
    for (const row of rows) {
      if (this.#underWay.size >= atOnce) return;
      const name = nameOf(row);
      const againMs = this.#asked.get(name)?.againMs ?? -Infinity;
      if (this.#underWay.has(name) || this.#options.now() < againMs) continue;
      const asking = this.#ask(row, signal).finally(() => this.#underWay.delete(name));
      this.#underWay.set(name, asking);
    }
  }

  /** Resolves when no question is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  async #ask(row: TimerRow, signal: AbortSignal): Promise<void> {
    const { ask, append, infer, logger, now, at } = this.#options;
    const { tenant, provider, callId } = row;
    try {
      const answer = await ask(row, { signal, nowMs: at() });
      switch (answer.kind) {
        case 'told':
          await append(answer.facts);
          this.#note(row, 'provider_unreachable', now() + afterToldMs);
          logger.info(
            { code: 'call_reconciled', tenant, provider, call: callId },
            'asked and told',
          );
          return;
        case 'unknowable':
          this.#note(row, answer.reason, now() + afterToldMs);
          await infer(row, answer.reason);
          return;
        case 'later':
          this.#note(row, answer.reason, now() + answer.againInMs);
      }
    } catch (thrown) {
      if (isAbort(thrown)) return;
      this.#note(row, this.reasonOf(row) ?? 'provider_unreachable', now() + afterDefectMs);
      const fields = { code: 'ask_failed', tenant, provider, call: callId, error: toError(thrown) };
      logger.warn(fields, 'a call could not be asked after; it is tried again');
    }
  }

  #note(row: TimerRow, reason: InferenceReason, againMs: number): void {
    this.#asked.set(nameOf(row), { reason, againMs });
  }

  #forget(rows: readonly TimerRow[]): void {
    const present = new Set(rows.map(nameOf));
    for (const name of this.#asked.keys()) if (!present.has(name)) this.#asked.delete(name);
  }
}
