// Waiting for work under a signal: the wait ends with the signal, the work may go on unseen.

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
