// Gateway: the JSON of an event for a view. In: entries of the ring. Out: their JSON, kept with the entry
// for a while. Masked views are made at once; open views need keys and therefore a wait.

import type { KeyRing } from '../runtime/keys.js';
import type { EventEnvelope } from '../schemas/events.js';
import type { TenantId } from '../schemas/ids.js';
import type { View } from './authorize.js';
import type { Rendering } from './rendered.js';
import type { RingEntry, Rings } from './ring.js';
import { boxesOfEvent, masked, openBoxes, type Opened, type Shape } from './views.js';

export interface Renderer {
  /** The JSON if it can be had without waiting; null for an open view nobody prepared yet. */
  now(entry: RingEntry, rendering: Rendering): string | null;
  /**
   * Makes the open view of entries of one tenant, the first of them at least: as many as are sure to be
   * still there when they are asked for at once. One round trip to the key store.
   */
  prepare(tenant: TenantId, entries: readonly RingEntry[], shape: Shape): Promise<void>;
  /** Opens what events of one tenant hold, for those who may see it. */
  open(tenant: TenantId, events: readonly EventEnvelope[]): Promise<Opened>;
}

/** UTF-16 units of JSON made in one go; far below what is kept. */
const maxPrepared = 512 * 1024;

export const renderingOf = (shape: Shape, view: View): Rendering => `${shape}/${view}`;

/** Builds the renderer over the rings. */
export function createRenderer(
  rings: Rings,
  decode: (value: Buffer) => EventEnvelope,
  keyRing: KeyRing,
): Renderer {
  const open: Renderer['open'] = (tenant, events) =>
    openBoxes(keyRing, tenant, events.flatMap(boxesOfEvent));
  return {
    open,
    now(entry, rendering) {
      const made = entry.json?.get(rendering);
      if (made !== undefined) return made;
      if (rendering.endsWith('/open')) return null;
      return rings.render(entry, decode(entry.value), rendering, masked);
    },
    async prepare(tenant, entries, shape) {
      const rendering = renderingOf(shape, 'open');
      const missing = entries.filter((entry) => entry.json?.has(rendering) !== true);
      const events = missing.map((entry) => decode(entry.value));
      const opened = await open(tenant, events);
      let units = 0;
      for (const [index, entry] of missing.entries()) {
        const event = events[index];
        if (event === undefined || units > maxPrepared) return;
        units += rings.render(entry, event, rendering, opened).length;
      }
    },
  };
}
