// A log that may be away when the process starts. Comes in: how to open it, and what is known of it
// beforehand. Goes out: the port at once; appends are refused and readers wait until it is there.

import { TrunklineError, toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { Appender, EventLog } from './event-log.js';
import { pause } from './pause.js';

export interface LateLogOptions {
  /** What must be known before the log answers; a log that says otherwise is not used. */
  readonly known: Pick<EventLog, 'driver' | 'partitions' | 'maxBatchBytes'>;
  readonly open: () => Promise<EventLog>;
  /** Called once it is open, before anything uses it. */
  readonly onOpen: () => Promise<void>;
  readonly logger: Logger;
  /** How long a start waits for the log before it goes on without. Default 2 s. */
  readonly patienceMs?: number;
}

/** `refused`: it answers, but is not what this process was started for; an operator must act. */
export type LogState =
  | { readonly kind: 'open' }
  | { readonly kind: 'away'; readonly detail: string }
  | { readonly kind: 'refused'; readonly detail: string };

export interface LateLog {
  readonly log: EventLog;
  readonly state: () => LogState;
}

const firstRetryMs = 500;
const lastRetryMs = 5_000;

/**
 * Opens the log; when it is away after `patienceMs` the process goes on without and it is tried until
 * it is there. Rejects at once when it answers and refuses (`topic_settings`): a start with a wrong
 * configuration ends with its fault, as ever.
 */
export async function openLateLog(options: LateLogOptions): Promise<LateLog> {
  const opening = new LateOpening(options);
  await opening.begin();
  return { log: lateLog(options, opening), state: () => opening.state };
}

class LateOpening {
  state: LogState = { kind: 'away', detail: 'not asked yet' };
  readonly opened: Promise<EventLog>;
  #resolve: (log: EventLog) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #inner: EventLog | null = null;
  readonly #closed = new AbortController();

  constructor(private readonly options: LateLogOptions) {
    this.opened = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.opened.catch(() => undefined);
  }

  /** Null until it is there. */
  get inner(): EventLog | null {
    return this.#inner;
  }

  async begin(): Promise<void> {
    const first = this.#try();
    first.catch(() => undefined);
    const patience = new AbortController();
    const waited = pause(this.options.patienceMs ?? 2_000, patience.signal);
    try {
      await Promise.race([first, waited]);
    } catch (thrown) {
      if (!isAway(thrown)) throw thrown;
    } finally {
      patience.abort();
    }
    if (this.#inner !== null) return;
    const { detail = '' } = this.state.kind === 'open' ? {} : this.state;
    this.options.logger.warn(
      { code: 'log_away', detail },
      'the log does not answer: deliveries go to the spool until it does',
    );
    void this.#goOn(first);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#reject(
      new TrunklineError('service_unreachable', 'the log was closed before it answered'),
    );
    await this.#inner?.close();
  }

  async #goOn(first: Promise<void>): Promise<void> {
    let attempt: Promise<void> | null = first;
    for (let failures = 0; !this.#closed.signal.aborted; failures += 1) {
      try {
        await (attempt ?? this.#try());
        this.options.logger.info({ code: 'log_there' }, 'the log answers');
        return;
      } catch {
        // Said by `#try`, in the state and, where somebody must act, in the log.
      }
      attempt = null;
      await pause(Math.min(lastRetryMs, firstRetryMs * 2 ** failures), this.#closed.signal);
    }
  }

  async #try(): Promise<void> {
    try {
      const log = await this.options.open();
      await this.#adopt(log).catch(async (thrown: unknown) => {
        await log.close().catch(() => undefined);
        throw thrown;
      });
    } catch (thrown) {
      const detail = toError(thrown).message;
      const kind = isAway(thrown) ? 'away' : 'refused';
      if (kind === 'refused' && this.state.kind !== 'refused') {
        this.options.logger.error(
          { code: 'log_refused', detail },
          'the log cannot be used as it is',
        );
      }
      this.state = { kind, detail };
      throw thrown;
    }
  }

  async #adopt(log: EventLog): Promise<void> {
    const { known, onOpen } = this.options;
    if (log.partitions !== known.partitions) {
      throw new TrunklineError(
        'topic_settings',
        `the log has ${log.partitions} partitions, and deliveries were sorted into ${known.partitions}`,
      );
    }
    if (this.#closed.signal.aborted) throw new TrunklineError('draining', 'closed meanwhile');
    await onOpen();
    this.#inner = log;
    this.state = { kind: 'open' };
    this.#resolve(log);
  }
}

const isAway = (thrown: unknown): boolean => {
  const error = toError(thrown);
  return !(error instanceof TrunklineError) || error.retryable;
};

/** Appends are refused while the log is away: who appends has a spool. Readers have nothing, and wait. */
function lateLog({ known }: LateLogOptions, opening: LateOpening): EventLog {
  const openAppender = (): Promise<Appender> =>
    opening.inner?.openAppender() ??
    Promise.reject(new TrunklineError('service_unreachable', 'the log does not answer yet'));
  return {
    driver: known.driver,
    partitions: known.partitions,
    maxBatchBytes: known.maxBatchBytes,
    openAppender,
    openFetcher: async () => (await opening.opened).openFetcher(),
    bounds: async (topic, partition) => (await opening.opened).bounds(topic, partition),
    joinProcessors: async (listener, signal) => {
      const log = await untilAborted(opening.opened, signal);
      await log?.joinProcessors(listener, signal);
    },
    close: () => opening.close(),
  };
}

function untilAborted(opened: Promise<EventLog>, signal: AbortSignal): Promise<EventLog | null> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) resolve(null);
    signal.addEventListener('abort', () => resolve(null), { once: true });
    opened.then(resolve, reject);
  });
}
