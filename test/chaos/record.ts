// Chaos: the log as a second, independent reader sees it. Comes in: everything in `events`. Goes out: valid
// events, zombies' records, ownerships begun. It shares no code with the product's reader, which it judges.

import { PartitionReader } from '../../log/sequence.js';
import { startMark } from '../../log/mark.js';
import type { Codec } from '../../log/event-codec.js';
import type { EventLog } from '../../log/event-log.js';
import type { EventEnvelope } from '../../schemas/events.js';
import { readAll } from '../e2e/read-log.js';

/** An ownership, from its marker on. */
export interface Ownership {
  readonly partition: number;
  readonly owner: string;
  /** Broker time, ms since 1970. */
  readonly at: number;
}

export interface History {
  /** Valid events by tenant, in order. */
  readonly tenants: ReadonlyMap<string, readonly EventEnvelope[]>;
  readonly ownerships: readonly Ownership[];
  /** Records by somebody else than the owner, and late markers: written, and dropped by every reader. */
  readonly zombies: number;
  /** Of those, records that the product's reader took for valid. */
  readonly zombiesAccepted: number;
  /** Records of `deliveries`. */
  readonly deliveries: number;
}

interface Owned {
  owner: string | null;
  term: number;
}

/** Reads the whole log twice: by the rule as it is written, and by the product. */
export async function readHistory(log: EventLog, codec: Codec): Promise<History> {
  const tenants = new Map<string, EventEnvelope[]>();
  const ownerships: Ownership[] = [];
  let [zombies, zombiesAccepted, deliveries] = [0, 0, 0];
  for (let partition = 0; partition < log.partitions; partition += 1) {
    const owned: Owned = { owner: null, term: 0 };
    const product = new PartitionReader(startMark, `events[${partition}]`);
    for (const record of await readAll(log, 'events', partition)) {
      const kind = judge(record.header, owned);
      const verdict = product.read(record);
      if (kind === 'marker') {
        ownerships.push({ partition, owner: owned.owner ?? '', at: record.appendedAt });
      }
      if (kind === 'zombie') {
        zombies += 1;
        if (verdict.kind !== 'dropped') zombiesAccepted += 1;
      }
      if (kind !== 'event' || record.value === null || verdict.kind !== 'event') continue;
      await codec.learn([record.value]);
      const event = codec.decodeEvent(record.value);
      const known = tenants.get(event.tenant);
      if (known === undefined) tenants.set(event.tenant, [event]);
      else known.push(event);
    }
    deliveries += (await log.bounds('deliveries', partition)).next;
  }
  return { tenants, ownerships, zombies, zombiesAccepted, deliveries };
}

/** A marker with a higher term names the owner; everything by anybody else does not count. */
function judge(header: string, owned: Owned): 'marker' | 'zombie' | 'event' | 'checkpoint' {
  const [, kind, owner = '', third = ''] = header.split(' ');
  if (kind === 'm') {
    if (Number(third) <= owned.term) return 'zombie';
    owned.owner = owner;
    owned.term = Number(third);
    return 'marker';
  }
  if (owner !== owned.owner) return 'zombie';
  return kind === 'e' ? 'event' : 'checkpoint';
}
