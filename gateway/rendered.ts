// Gateway: the JSON that was rendered last. In: renderings of ring entries as they are made. Out: they stay
// with their entries until the bound is reached; then the oldest goes, and is made again when asked for.

import type { View } from './authorize.js';
import type { Shape } from './views.js';

export type Rendering = `${Shape}/${View}`;

/** What JSON can be kept with. */
export interface Renderable {
  json: Map<Rendering, string> | null;
}

/** Bytes of a UTF-16 unit. Masked parties hold dots outside Latin-1, which make the whole text wide. */
const unitBytes = 2;

interface Made {
  readonly entry: Renderable;
  readonly rendering: Rendering;
}

/** Stands where a dropped one was, so that its entry is not kept alive. */
const gone: Made = { entry: { json: null }, rendering: 'summary/masked' };

/** Renderings in the order in which they were made, bounded by bytes. */
export class Rendered {
  private made: Made[] = [];
  private head = 0;
  private heldBytes = 0;

  constructor(private readonly maxBytes: number) {}

  get bytes(): number {
    return this.heldBytes;
  }

  /** Keeps a rendering; one that is kept already stands as it is. */
  keep(entry: Renderable, rendering: Rendering, json: string): void {
    entry.json ??= new Map();
    if (entry.json.has(rendering)) return;
    entry.json.set(rendering, json);
    this.made.push({ entry, rendering });
    this.heldBytes += unitBytes * json.length;
    // The one just made is asked for next, however long it is.
    while (this.heldBytes > this.maxBytes && this.made.length - this.head > 1) this.dropOldest();
  }

  private dropOldest(): void {
    const oldest = this.made[this.head];
    if (oldest === undefined) return;
    const { entry, rendering } = oldest;
    this.heldBytes -= unitBytes * (entry.json?.get(rendering)?.length ?? 0);
    entry.json?.delete(rendering);
    if (entry.json?.size === 0) entry.json = null;
    this.made[this.head] = gone;
    this.head += 1;
    if (this.head > 512 && this.head * 2 > this.made.length) {
      this.made = this.made.slice(this.head);
      this.head = 0;
    }
  }
}
