// Long work in turns, so that the other stations of the process are served in between.

import { setImmediate } from 'node:timers/promises';

/** Events handled between two turns of the event loop: about 2 ms of work. */
export const eventsPerTurn = 100;

/** Lets everything else that waits have its turn. */
export const giveWay = (): Promise<void> => setImmediate();
