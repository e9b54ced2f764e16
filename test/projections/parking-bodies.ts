// Bodies of parking for the made-up world: facts park, wait behind others, are retried and discarded, and each
// act is told.

import type { EventBody, ParkedBody } from '../../schemas/events.js';
import { eventId, factId, offset, type TenantId } from '../../schemas/ids.js';
import { parkedClasses, type ActBody, type Parking } from '../../schemas/parking.js';

/** Parked facts of one world, each tenant's own. */
export class ParkedWorld {
  readonly #open = new Map<TenantId, Parking[]>();
  #count = 0;

  constructor(private readonly random: () => number) {}

  /** The next thing that happens to parked facts of this tenant. */
  next(tenant: TenantId, now: number): EventBody {
    this.#count += 1;
    const open = this.#open.get(tenant) ?? [];
    this.#open.set(tenant, open);
    const dice = this.random();
    const at = Math.floor(this.random() * open.length);
    const known = open[at];
    if (known === undefined || dice < 0.5) return this.#park(tenant, open, now);
    if (dice < 0.6) return this.#act(known);
    if (dice < 0.75) {
      open[at] = { ...known, attempts: known.attempts + 1 };
      return this.#told('fact.still_parked', known, known.attempts + 1);
    }
    open.splice(at, 1);
    return this.#told(dice < 0.9 ? 'fact.released' : 'fact.discarded', known, known.attempts);
  }

  #park(tenant: TenantId, open: Parking[], now: number): EventBody {
    const parkId = eventId(`park-${tenant}-${this.#count}`);
    const queueId = open[0]?.queueId ?? parkId;
    const parking: Parking = {
      ...{ parkId, queueId, errorClass: parkedClasses[this.#count % 4] ?? 'bug', attempts: 1 },
      refs: [`alias:twilio:CA${this.#count}`],
      facts: [{ kind: 'call', eventType: 'note', ref: 'CA1', from: '+1 555 ••• 0142', to: null }],
      ...{ deliveryId: `d${this.#count}`, endpoint: null, sourceAt: now, recordBytes: 3 },
      ...{ content: Buffer.from([1, 2, 3]), actId: null },
    };
    open.push(parking);
    return this.#body('fact.parked', parking);
  }

  #told(type: ParkedBody['type'], known: Parking, attempts: number): EventBody {
    const actId = factId(`act-${this.#count}`);
    const empty = { refs: [], facts: [], content: null, recordBytes: 0 };
    return this.#body(type, { ...known, ...empty, attempts, actId });
  }

  #body(type: ParkedBody['type'], parking: Parking): EventBody {
    const source = { sourceTopic: 'deliveries', sourceOffset: offset(this.#count) } as const;
    const error = { errorCode: 'decide_failed', error: 'RangeError' };
    return { kind: 'parked', type, ...source, ...error, parking };
  }

  #act({ parkId }: Parking): ActBody {
    return {
      ...{ kind: 'act', type: 'act.applied', actId: factId(`act-${this.#count}`), act: 'retry' },
      ...{ about: parkId, actor: 'key_1', reason: 'mended', refused: null, failed: null },
      ...{ released: 1, remaining: this.#count % 3 },
    };
  }
}
