// Waiting, as a dependency: tests bring virtual time, everyone else a real timer.

import { setTimeout as timer } from 'node:timers/promises';

/** Resolves after `ms`, or at once when the signal aborts; never rejects. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

export const pause: Sleep = (ms, signal) => timer(ms, undefined, { signal }).catch(() => undefined);
