// Which queue a fact waits in; and what an error says of itself without a value of the content.

import { describe, expect, test } from 'vitest';
import { faultOf, faultOfThrown, isTransient } from '../../processors/parking/fault.js';
import { QueueIndex } from '../../processors/parking/queue-index.js';
import { noQueue, type QueueState } from '../../processors/parking/state.js';
import { TrunklineError } from '../../runtime/errors.js';
import { eventId, tenantId } from '../../schemas/ids.js';

const acme = tenantId('acme');
const [a, b] = [eventId('evt_a'), eventId('evt_b')];
const queue = (...refs: string[]): QueueState => ({ refs, waiting: [eventId('x')] });

describe('the index of queues', () => {
  test('finds a queue by any name of its facts, within the tenant alone', () => {
    const index = new QueueIndex();
    index.changed(acme, a, null, queue('alias:1', 'call:1'));
    expect(index.find(acme, ['alias:9', 'call:1'])).toBe(a);
    expect(index.find(acme, ['alias:9'])).toBeNull();
    expect(index.find(tenantId('globex'), ['alias:1'])).toBeNull();
    expect(index.size).toBe(1);
  });

  test('follows a queue as it grows, is put back and goes', () => {
    const index = new QueueIndex();
    const [one, two] = [queue('alias:1'), queue('alias:1', 'alias:2')];
    index.changed(acme, a, null, one);
    index.changed(acme, a, one, two);
    expect(index.find(acme, ['alias:2'])).toBe(a);
    index.changed(acme, a, two, one);
    expect(index.find(acme, ['alias:2'])).toBeNull();
    index.changed(acme, a, one, noQueue);
    expect([index.find(acme, ['alias:1']), index.size]).toEqual([null, 0]);
  });

  test('of two queues gives the last, and the one before it when asked what that waits for', () => {
    const index = new QueueIndex();
    index.changed(acme, b, null, queue('alias:1'));
    index.changed(acme, a, null, queue('alias:1', 'alias:2'));
    expect(index.find(acme, ['alias:1', 'alias:2'])).toBe(b);
    expect(index.find(acme, ['alias:1', 'alias:2'], b)).toBe(a);
    expect(index.find(acme, ['alias:1', 'alias:2'], a)).toBeNull();
  });
});

describe('a fault', () => {
  const thrownBy = (make: () => unknown): unknown => {
    try {
      make();
    } catch (thrown) {
      return thrown;
    }
    throw new Error('nothing was thrown');
  };

  test.each([
    () => BigInt('sip:+15550100'),
    () => Object.defineProperty('+15550100', 'length', { value: 1 }),
    () => JSON.parse('{"from": +15550100}') as unknown,
    () => {
      throw new Error('boom\n    at +15550100 (+15550100:1:1)');
    },
  ])('of an engine says where it was, never what with (%#)', (make) => {
    const { error, errorClass } = faultOfThrown(thrownBy(make), 'decide_failed');
    expect(errorClass).toBe('bug');
    expect(error).toMatch(/^\w*Error \(?/);
    expect(error).not.toContain('5550100');
  });

  test('has the code of our table where it has one, and a class for each', () => {
    const damaged = new TrunklineError('value_unreadable', 'cut off');
    expect(faultOfThrown(damaged, 'open_failed')).toEqual(faultOf('value_unreadable', 'cut off'));
    expect(faultOf('value_unreadable', '').errorClass).toBe('poison');
    expect(faultOf('schema_unknown', '').errorClass).toBe('schema');
    expect(faultOf('outputs_not_encodable', '').errorClass).toBe('bug');
    expect(faultOf('behind', '').errorClass).toBe('behind');
  });

  test('that may pass by itself is told from one that cannot', () => {
    const coded = (code: string) => Object.assign(new Error('x'), { code });
    for (const thrown of [
      new TrunklineError('service_unreachable', 'away'),
      ...['40P01', '53300', 'ECONNRESET', 'ETIMEDOUT'].map(coded),
    ]) {
      expect(isTransient(thrown)).toBe(true);
    }
    for (const thrown of [
      new TrunklineError('key_missing', 'destroyed'),
      ...[coded('ERR_INVALID_ARG_TYPE'), new TypeError('x'), 'text'],
    ]) {
      expect(isTransient(thrown)).toBe(false);
    }
  });
});
