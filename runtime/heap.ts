// How the V8 heap is collected: how much garbage it may hold, and by which threads. Comes in: nothing. Goes
// out: settings of this process.

import { setFlagsFromString } from 'node:v8';

/**
 * Lets the old space grow by 30 % over what was alive after the last collection, where V8 by itself
 * allows up to 300 % on a machine with much memory: that was a third of what the one-process product
 * held resident at 10,000 active calls. The price, at 600 deliveries a second: a collection each second
 * instead of each six, of some 10 ms. V8 reads the number anew at each collection, so that it may be set
 * in a running process; a V8 that did not know it would say so and go on. Not for a process that does nothing but
 * decide or project: working off a backlog it spent a quarter of its time on those collections.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=30');
}

/**
 * Leaves the clearing of young objects to the thread that made them. What survives there is small (some
 * hundred deliveries on their way), and waking other threads for a millisecond of work costs a
 * twentieth of all that ingest does: docs/decisions/0012-cost-of-a-delivery.md.
 */
export function scavengeAlone(): void {
  setFlagsFromString('--no-parallel-scavenge');
}
