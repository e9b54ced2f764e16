// The life of a process: a signal asks it to stop, tasks drain within a deadline, a second signal ends
// it at once. Whoever makes an AbortController owns it; tasks only get the signal.

import { setMaxListeners } from 'node:events';

import { TrunklineError, isAbort, toError } from './errors.js';
import type { Logger } from './logger.js';

const listenersOfStations = 100;

/** A station at work: resolves after its drain once the signal aborts, rejects when it fails. */
export type Task = (signal: AbortSignal) => Promise<void>;

export interface StopSignal {
  readonly signal: AbortSignal;
  /** Forgets the process signals again. */
  dispose(): void;
}

/** Process signals that ask for a clean stop. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * The first SIGINT, SIGTERM or SIGHUP aborts the signal; the second calls `force`, by default the end
 * of the process with the exit code a shell gives that signal (128 + number).
 */
export function stopOnSignals(
  options: {
    readonly onStop?: (name: string) => void;
    readonly force?: (exitCode: number) => void;
  } = {},
): StopSignal {
  const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
  const controller = new AbortController();
  const force = options.force ?? ((exitCode: number) => process.exit(exitCode));
  const onSignal = (name: (typeof stopSignals)[number]): void => {
    if (controller.signal.aborted) {
      force(128 + numbers[name]);
      return;
    }
    options.onStop?.(name);
    controller.abort(stopped(name));
  };
  for (const name of stopSignals) process.on(name, onSignal);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of stopSignals) process.off(name, onSignal);
    },
  };
}

/** The reason of an ordinary stop; `isAbort` recognises it. */
export function stopped(why: string): Error {
  const reason = new Error(`stopped by ${why}`);
  reason.name = 'Stopped';
  return reason;
}

/**
 * Runs the tasks side by side until the signal aborts. A task that fails, or ends by itself, stops all
 * others. Resolves when all have drained after an ordinary stop; rejects with the first failure, or
 * with `draining` naming the tasks that were not done by the deadline.
 */
export async function supervise(
  tasks: Readonly<Record<string, Task>>,
  options: { readonly signal: AbortSignal; readonly drainMs: number; readonly logger: Logger },
): Promise<void> {
  const controller = new AbortController();
  const signal = AbortSignal.any([options.signal, controller.signal]);
  // Every station hangs a few listeners on it, for as long as the process lives: more than Node's guess at a leak.
  setMaxListeners(listenersOfStations, signal);
  const running = new Set(Object.keys(tasks));
  let failure: Error | undefined;

  const run = async (name: string, task: Task): Promise<void> => {
    try {
      await task(signal);
      if (!signal.aborted) throw new Error(`${name} ended although nobody stopped it`);
    } catch (thrown) {
      const error = toError(thrown);
      if (!(signal.aborted && isAbort(error))) {
        options.logger.error({ code: 'task_failed', task: name, error }, 'a task failed');
        failure ??= error;
      }
    } finally {
      running.delete(name);
      controller.abort(stopped(name));
    }
  };

  const all = Promise.all(Object.entries(tasks).map(([name, task]) => run(name, task)));
  const inTime = await Promise.race([all.then(() => true), deadline(signal, options.drainMs)]);
  if (failure !== undefined) throw failure;
  if (inTime) return;
  const late = [...running].join(', ');
  throw new TrunklineError('draining', `not done ${options.drainMs} ms after the stop: ${late}`);
}

/** False, `ms` after the signal aborts; the timer alone keeps no process alive. */
function deadline(signal: AbortSignal, ms: number): Promise<false> {
  return new Promise((resolve) => {
    const start = (): void => {
      setTimeout(() => resolve(false), ms).unref();
    };
    if (signal.aborted) start();
    else signal.addEventListener('abort', start, { once: true });
  });
}
