// Records: what a fact means for the member, subscription or object it is about.

import { describe, expect, test } from 'vitest';
import { maxFactsPerRecord } from '../../../processors/record/state.js';
import type { Whose } from '../../../processors/decide-input.js';
import type { StoredRecordFact } from '../../../schemas/record-state.js';
import { acme } from '../facts.js';
import { PureWorld } from '../pure-world.js';
import { sealedRecord, storedRecord } from '../records.js';

const clerk: Whose = { tenant: acme, provider: 'clerk' };

function played(...facts: readonly StoredRecordFact[]): PureWorld {
  const world = new PureWorld();
  for (const fact of facts) world.take(clerk, sealedRecord(fact));
  return world;
}

const said = ({ events }: PureWorld) =>
  events.map((body) => (body.kind === 'record' ? [body.type, body.reason] : []));
const only = ({ records }: PureWorld) => [...records.values()][0];
const box = (text: string) => ({ keyId: 'k', nonce: text, ciphertext: 'c', tag: 't' });

describe('a record', () => {
  test('shows the last known of each value, by the provider’s time', () => {
    const world = played(
      storedRecord('a', 1, { status: 'trialing', details: { seats: 1, plan: 'basic' } }),
      storedRecord('b', 2, { status: 'active', details: { seats: 3 }, parentRef: 'cus_1' }),
    );
    expect(only(world)).toMatchObject({
      ...{ status: 'active', details: { seats: 3, plan: 'basic' }, parentRef: 'cus_1' },
      ...{ createdAt: 1000, updatedAt: 2000, factCount: 2 },
    });
  });

  test('that is deleted keeps what was known: the deletion names the object and nothing else', () => {
    const known = storedRecord('a', 1, { status: 'active', personal: { email: box('e') } });
    const gone = storedRecord('b', 2, {
      ...{ deleted: true, event: 'organisation.user_deleted' },
      order: { phase: 2, atUs: 2_000_000, seq: 0 },
    });
    const late = storedRecord('c', 3, { status: 'banned' });
    expect(only(played(known, gone, late))).toMatchObject({
      ...{ deleted: true, lastEvent: 'organisation.user_deleted', status: 'banned' },
      personal: { email: box('e') },
    });
  });

  test('says late of what happened before something known, and does not go back', () => {
    const world = played(
      storedRecord('b', 2, { status: 'active' }),
      storedRecord('a', 1, { status: 'trialing' }),
    );
    expect(said(world)).toEqual([
      ['record.changed', null],
      ['record.changed', 'late'],
    ]);
    expect(only(world)).toMatchObject({ status: 'active', createdAt: 1000, factCount: 2 });
  });

  test('records a copy and is not changed by it', () => {
    const fact = storedRecord('a', 1, { status: 'active' });
    const world = played(fact, { ...fact, receivedAt: 99_000 });
    expect(said(world)[1]).toEqual(['record.duplicate_seen', null]);
    expect(world.events[1]).toMatchObject({ fact: null });
    expect(only(world)).toMatchObject({ factCount: 1 });
  });

  test('keeps its first fact and the newest, however many come', () => {
    const many = Array.from({ length: maxFactsPerRecord * 3 }, (_, i) =>
      storedRecord(`f${i}`, i, { details: { n: i } }),
    );
    const world = played(...many);
    const last = many.length - 1;
    expect(only(world)).toMatchObject({
      ...{ factCount: maxFactsPerRecord, createdAt: 0, updatedAt: last * 1000 },
      details: { n: last },
    });
    expect(only(played(...[...many].reverse()))).toEqual(only(world));
  });

  test('refuses what is older than all it keeps, and says so', () => {
    const many = Array.from({ length: maxFactsPerRecord + 5 }, (_, i) => storedRecord(`f${i}`, i));
    const world = played(...many);
    const before = only(world);
    world.take(clerk, sealedRecord(storedRecord('old', 2)));
    expect(said(world).at(-1)).toEqual(['record.fact_refused', 'too_old']);
    expect(only(world)).toEqual(before);
  });
});
