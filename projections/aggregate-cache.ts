// States that were committed last, least recently used first out, bounded by the length of their text.

import type { AggregateState } from '../schemas/aggregates.js';

interface Entry {
  readonly chars: number;
  readonly state: AggregateState;
}

/** Only as good as the fence: whoever holds it clears it when a compare-and-set is lost. */
export class AggregateCache {
  readonly #entries = new Map<string, Entry>();
  #chars = 0;

  /** `maxChars`: bound of the texts together, in UTF-16 units. */
  constructor(readonly maxChars: number) {}

  get(name: string): AggregateState | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    return entry.state;
  }

  /** `chars`: length of the state's text. */
  set(name: string, chars: number, state: AggregateState): void {
    this.#drop(name);
    this.#entries.set(name, { chars, state });
    this.#chars += chars;
    for (const oldest of this.#entries.keys()) {
      if (this.#chars <= this.maxChars) break;
      this.#drop(oldest);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#chars = 0;
  }

  #drop(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#chars -= entry.chars;
  }
}
