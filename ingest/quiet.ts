// Ingest: log lines that would repeat. Comes in: a name of what would be said. Goes out: whether to say it
// now, and how many were not said since the last time.

import { performance } from 'node:perf_hooks';

/** One line of a name in this time; the next one says how many were not written. */
const quietMs = 10_000;
const maxNames = 10_000;

export class Quiet {
  readonly #said = new Map<string, { since: number; suppressed: number }>();

  /** How many lines of this name were not written since the last one; null while it is quiet. */
  suppressed(name: string): number | null {
    const now = performance.now();
    const before = this.#said.get(name);
    if (before !== undefined && now - before.since < quietMs) {
      before.suppressed += 1;
      return null;
    }
    if (this.#said.size > maxNames) this.#said.clear();
    this.#said.set(name, { since: now, suppressed: 0 });
    return before?.suppressed ?? 0;
  }
}
