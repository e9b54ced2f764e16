import { afterEach, describe, expect, test } from 'vitest';

import { Admission } from '../../ingest/admit.js';
import { tenantId } from '../../schemas/ids.js';
import { recordingLogger } from './fixtures.js';

const small = tenantId('small');
const big = tenantId('big');
const opened: Admission[] = [];
afterEach(() => {
  for (const admission of opened.splice(0)) admission.close();
});

function open(inFlightBytes = 1_000_000_000, isLogBehind = () => false) {
  const { logger, lines } = recordingLogger();
  const admission = new Admission({ inFlightBytes, isLogBehind, waitedMs: () => 0, logger });
  opened.push(admission);
  return { admission, lines };
}

/** Enters `count` deliveries and leaves those that got in; how many did. */
function pass(admission: Admission, tenant: typeof small, count: number): number {
  let admitted = 0;
  for (let n = 0; n < count; n += 1) {
    const share = admission.enter(tenant, 1000);
    if (typeof share === 'string') continue;
    admitted += 1;
    admission.leave(share, 1000);
  }
  return admitted;
}

describe('memory', () => {
  const size = 96 * 1024 - 4096;
  const fill = (admission: Admission, tenant: typeof small, most: number): number => {
    let admitted = 0;
    while (admitted < most && typeof admission.enter(tenant, size) !== 'string') admitted += 1;
    return admitted;
  };

  test('one tenant fills half of it, and others still have room up to their part', () => {
    const { admission } = open(96 * 1024 * 100);
    expect(fill(admission, big, 1_000)).toBe(50);
    expect(admission.enter(big, size)).toBe('memory');
    expect(fill(admission, small, 1_000)).toBe(25);
    expect(admission.bytes).toBe(96 * 1024 * 75);
    expect(fill(admission, tenantId('third'), 1_000)).toBe(16);
    expect(fill(admission, tenantId('fourth'), 1_000)).toBe(9);
    expect(admission.bytes).toBeLessThanOrEqual(96 * 1024 * 100);
  });

  test('what has left makes room again, to the last byte', () => {
    const { admission } = open(96 * 1024 * 10);
    const shares = Array.from({ length: 5 }, () => admission.enter(big, size));
    expect(admission.enter(big, size)).toBe('memory');
    for (const share of shares) if (typeof share !== 'string') admission.leave(share, size);
    expect([admission.bytes, admission.inFlight]).toEqual([0, 0]);
    expect(typeof admission.enter(big, size)).toBe('object');
  });
});

// Ticks are told in whole milliseconds: sums of fractions would miss a bound by a hair.
describe('overload', () => {
  test('refuses the tenant that floods, and the small one passes as before', () => {
    let isBehind = false;
    const { admission, lines } = open(undefined, () => isBehind);
    let now = Math.ceil(performance.now());
    const tick = () => admission.tick((now += 50));
    tick();
    isBehind = true;
    const perTick = () => {
      const admitted = { big: pass(admission, big, 1_000), small: pass(admission, small, 3) };
      tick();
      return admitted;
    };
    // A burst of half a second passes whole; a queue that stands longer does not.
    for (let n = 0; n < 12; n += 1) expect(perTick()).toEqual({ big: 1_000, small: 3 });
    const during = Array.from({ length: 20 }, perTick);
    expect(during.map(({ small: passed }) => passed)).toEqual(Array(20).fill(3));
    expect(Math.max(...during.map(({ big: passed }) => passed))).toBeLessThan(1_000);
    expect(Number.isFinite(admission.perSecond)).toBe(true);
    isBehind = false;
    const after = Array.from({ length: 200 }, () => {
      const admitted = pass(admission, small, 3);
      tick();
      return admitted;
    });
    expect(after).toEqual(Array(200).fill(3));
    expect(admission.perSecond).toBe(Infinity);
    expect(lines.map(({ fields }) => fields['code'])).toEqual(['overload_began', 'overload_ended']);
    expect(lines[0]?.fields).toMatchObject({ queue: 'log' });
    expect(lines[1]?.fields['refused']).toBeGreaterThan(0);
  });

  test('does not count what was not its tenant’s: forged deliveries use up nobody’s part', () => {
    let isBehind = false;
    const { admission } = open(undefined, () => isBehind);
    let now = Math.ceil(performance.now());
    admission.tick((now += 50));
    isBehind = true;
    const flood = () => {
      pass(admission, big, 1_000);
      for (let n = 0; n < 1_000; n += 1) {
        const share = admission.enter(small, 1000);
        if (typeof share === 'string') continue;
        admission.discount(share);
        admission.leave(share, 1000);
      }
      const admitted = pass(admission, small, 3);
      admission.tick((now += 50));
      return admitted;
    };
    expect(Array.from({ length: 20 }, flood)).toEqual(Array(20).fill(3));
    expect(admission.perSecond).toBeLessThan(Infinity);
  });

  test('tells a refusal a little later, within bounds, and at the end at once', async () => {
    const { admission } = open(8_000_000);
    let now = Math.ceil(performance.now());
    let told = 0;
    const hold = (refusal: 'busy' | 'memory' = 'busy') =>
      admission.hold(refusal, 95_904).then(() => (told += 1));
    const held = Array.from({ length: 10 }, () => hold());
    for (let n = 0; n < 6; n += 1) admission.tick((now += 50));
    // What is more than may wait, and what is refused for want of memory, is told at once.
    await hold();
    await hold('memory');
    expect(told).toBe(2);
    admission.tick((now += 50));
    await Promise.all(held);
    expect(told).toBe(12);
    const last = hold();
    admission.close();
    await last;
    expect(told).toBe(13);
  });

  test('is a loop that is late under load; a late loop without load is none', () => {
    const { admission, lines } = open();
    let now = Math.ceil(performance.now());
    for (let n = 0; n < 20; n += 1) {
      pass(admission, big, 10);
      admission.tick((now += 500));
    }
    expect(admission.perSecond).toBe(Infinity);
    for (let n = 0; n < 10; n += 1) {
      pass(admission, big, 5_000);
      admission.tick((now += 200));
    }
    expect(admission.perSecond).toBeLessThan(25_000);
    expect(lines[0]?.fields).toMatchObject({ code: 'overload_began', queue: 'event_loop' });
  });

  test('forgets tenants that send nothing', () => {
    const { admission } = open();
    let now = Math.ceil(performance.now());
    for (let n = 0; n < 1_000; n += 1) pass(admission, tenantId(`tenant-${n}`), 1);
    for (let n = 0; n < 300; n += 1) admission.tick((now += 50));
    expect(admission.tenants).toBe(0);
  });
});
