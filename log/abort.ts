// Work under a signal: waits end with it, what was opened is closed after it.

import { toError } from '../runtime/errors.js';

/**
 * The outcome of `work`, or a rejection with the signal's reason as soon as it aborts. Leaves no
 * listener behind, unlike a race against one promise that lives as long as the signal.
 */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(toError(signal.reason));
    };
    const settled = (): void => {
      signal.removeEventListener('abort', abort);
    };
    work.then(resolve, reject).then(settled, settled);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
  });
}

/** A controller that aborts with its parent; whoever makes it calls `unlink` when it is done. */
export function linkedController(parent: AbortSignal): {
  readonly controller: AbortController;
  readonly unlink: () => void;
} {
  const controller = new AbortController();
  const forward = (): void => {
    controller.abort(parent.reason);
  };
  if (parent.aborted) forward();
  else parent.addEventListener('abort', forward);
  const unlink = (): void => {
    parent.removeEventListener('abort', forward);
  };
  return { controller, unlink };
}

interface Closable {
  close(): Promise<void>;
}

/** What one attempt has opened. What is still opening when it closes is closed as soon as it comes. */
export class Opened {
  readonly #open: Closable[] = [];
  #isOver = false;

  /** The opened one, or a rejection as soon as the signal aborts. */
  add<T extends Closable>(opening: Promise<T>, signal: AbortSignal): Promise<T> {
    const kept = opening.then((one) => {
      if (this.#isOver) void one.close().catch(() => undefined);
      else this.#open.push(one);
      return one;
    });
    return orAborted(kept, signal);
  }

  /** Closes for good. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.reset();
  }

  /** Closes what is open; more may be opened. */
  async reset(): Promise<void> {
    await Promise.allSettled(this.#open.splice(0).map((one) => one.close()));
  }
}
