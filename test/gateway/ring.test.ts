// The ring against a model: whatever is pushed, dropped and begun anew, what stands after a cursor is exactly
// what came after it, or the ring says that it is no longer kept.

import fc from 'fast-check';
import { expect, it } from 'vitest';

import { Rings } from '../../gateway/ring.js';
import { masked } from '../../gateway/views.js';
import { tenantId } from '../../schemas/ids.js';
import { callEvent } from './events.js';

const renderedBytes = 4_000;
const tenants = ['a', 'b', 'c'] as const;
const value = Buffer.alloc(100);

type Step =
  | { readonly kind: 'push'; readonly tenant: (typeof tenants)[number]; readonly render: boolean }
  | { readonly kind: 'begin'; readonly tenant: (typeof tenants)[number]; readonly ahead: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant('push' as const),
      tenant: fc.constantFrom(...tenants),
      render: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('begin' as const),
      tenant: fc.constantFrom(...tenants),
      ahead: fc.nat(5),
    }),
  },
);

it('gives exactly what came after a cursor, or says that it is not kept', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 300 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1_000, max: 40_000 }),
      (steps, eventsPerTenant, totalBytes) => {
        const rings = new Rings({ eventsPerTenant, totalBytes, renderedBytes });
        const tops = new Map<string, number>(tenants.map((tenant) => [tenant, 0]));
        for (const one of steps) {
          const tenant = tenantId(one.tenant);
          const top = tops.get(one.tenant) ?? 0;
          if (one.kind === 'begin') {
            rings.begin(tenant, top + one.ahead);
            tops.set(one.tenant, top + one.ahead);
            continue;
          }
          const event = callEvent({ ...one, seq: top + 1, call: `c${top % 7}`, status: 'ringing' });
          const entry = rings.push(event, value);
          expect(entry?.seq).toBe(top + 1);
          if (entry !== null && one.render) rings.render(entry, event, 'summary/masked', masked);
          tops.set(one.tenant, top + 1);
          expect(rings.bytes).toBeLessThanOrEqual(totalBytes + renderedBytes);
          expect(rings.bytes).toBeGreaterThanOrEqual(0);
        }
        for (const name of tenants) expectWhole(rings, name, tops.get(name) ?? 0, eventsPerTenant);
      },
    ),
    { numRuns: 300 },
  );
});

function expectWhole(rings: Rings, name: string, top: number, most: number): void {
  const tenant = tenantId(name);
  if (top === 0 && rings.top(tenant) === 0) return;
  expect(rings.top(tenant)).toBe(top);
  const first = rings.first(tenant);
  expect(top - first + 1).toBeLessThanOrEqual(most);
  for (let cursor = 0; cursor <= top; cursor += 1) {
    const entries = rings.after(tenant, cursor, Number.MAX_SAFE_INTEGER);
    if (cursor < first - 1) expect(entries).toBeNull();
    else {
      const wanted = Array.from({ length: top - cursor }, (_, index) => cursor + 1 + index);
      expect(entries?.map(({ seq }) => seq)).toEqual(wanted);
    }
  }
}

it('refuses an event that is not the next one', () => {
  const rings = new Rings({ eventsPerTenant: 10, totalBytes: 1e6, renderedBytes: 1e6 });
  rings.begin(tenantId('a'), 4);
  const made = { tenant: 'a', call: 'c', status: 'ringing' } as const;
  expect(rings.push(callEvent({ ...made, seq: 7 }), value)).toBeNull();
  expect(rings.push(callEvent({ ...made, seq: 5 }), value)?.seq).toBe(5);
  expect(rings.push(callEvent({ ...made, seq: 5 }), value)).toBeNull();
});

it('stays bounded however long it runs, with tenants that are never heard of again', () => {
  const rings = new Rings({ eventsPerTenant: 50, totalBytes: 1e9, renderedBytes: 1e6 });
  const made = { call: 'c', status: 'ringing' } as const;
  rings.push(callEvent({ ...made, tenant: 'once', seq: 1 }), value);
  for (let seq = 1; seq <= 60_000; seq += 1) {
    rings.push(callEvent({ ...made, tenant: 'busy', seq }), value);
  }
  expect(rings.events).toBe(51);
  expect(rings.bytes).toBeLessThan(51 * 1_000);
  expect(rings.after(tenantId('once'), 0, 10)).toHaveLength(1);
});

it('keeps what was rendered last, and makes the rest again', () => {
  const rings = new Rings({ eventsPerTenant: 100, totalBytes: 1e9, renderedBytes: 10_000 });
  const entries = Array.from({ length: 50 }, (_, index) => {
    const event = callEvent({ tenant: 'a', seq: index + 1, call: 'c', status: 'ringing' });
    const entry = rings.push(event, value);
    if (entry === null) throw new Error('a hole');
    return { entry, json: rings.render(entry, event, 'summary/masked', masked), event };
  });
  const kept = entries.filter(({ entry }) => entry.json !== null);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept).toEqual(entries.slice(-kept.length));
  expect(kept.reduce((bytes, { json }) => bytes + 2 * json.length, 0)).toBeLessThanOrEqual(10_000);
  const [first] = entries;
  if (first === undefined) throw new Error('nothing was pushed');
  expect(rings.render(first.entry, first.event, 'summary/masked', masked)).toBe(first.json);
  expect(first.entry.json?.get('summary/masked')).toBe(first.json);
});

it('keeps a rendering that is longer than all it may keep, for whoever is about to send it', () => {
  const rings = new Rings({ eventsPerTenant: 100, totalBytes: 1e9, renderedBytes: 10 });
  for (let seq = 1; seq <= 3; seq += 1) {
    const event = callEvent({ tenant: 'a', seq, call: 'c', status: 'ringing' });
    const entry = rings.push(event, value);
    if (entry === null) throw new Error('a hole');
    const json = rings.render(entry, event, 'summary/open', masked);
    expect(entry.json?.get('summary/open')).toBe(json);
  }
});
