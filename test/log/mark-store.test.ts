// Marks on a real PostgreSQL (test/services/): one statement to read, compare-and-set to move.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startMark, type Mark, type MarkOutcome } from '../../log/mark.js';
import { moveMarks, readMark, type MarkKey } from '../../log/mark-store.js';
import { migrate, migrateDown } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import { asTenant, inTransaction, openDatabase, type Database } from '../../runtime/postgres.js';
import { epoch, offset, ownerId, seq, tenantId } from '../../schemas/ids.js';
import { migratedUrl } from './open-embedded.js';

let database: Database;
beforeAll(async () => {
  database = openDatabase({ url: await migratedUrl(), max: 4, applicationName: 'test' });
});
afterAll(() => database.end());

let lastPartition = 0;
const freshKeys = (...projections: string[]): MarkKey[] => {
  lastPartition += 1;
  return projections.map((projection) => ({ projection, version: 1, partition: lastPartition }));
};

const markAt = (next: number, change: Partial<Mark> = {}): Mark => ({
  epoch: epoch('e1'),
  next: offset(next),
  owner: ownerId('o1'),
  term: 1,
  covered: { realtime: offset(next), bulk: offset(-1) },
  lastSeq: new Map([[tenantId('acme'), seq(next)]]),
  ...change,
});

/** Moves and keeps it only when it was stored, as the projections do. */
async function move(keys: readonly MarkKey[], before: Mark, after: Mark): Promise<MarkOutcome> {
  const rollback = new Error('rolled back');
  let outcome: MarkOutcome = 'mismatch';
  await inTransaction(database, async (transaction) => {
    outcome = await moveMarks(transaction, keys, before, after);
    if (outcome !== 'stored') throw rollback;
  }).catch((error: unknown) => {
    if (error !== rollback) throw error;
  });
  return outcome;
}

const read = async (keys: readonly MarkKey[]): Promise<(Mark | null)[]> =>
  Promise.all(keys.map((key) => readMark(database, key)));

describe('reading', () => {
  test('a projection that never committed has no mark', async () => {
    expect(await read(freshKeys('calls'))).toEqual([null]);
  });

  test('a mark comes back whole, with the last sequence of every tenant', async () => {
    const keys = freshKeys('calls');
    const tenants = Array.from({ length: 50 }, (_, i) => tenantId(`tenant-${i}`));
    const lastSeq = new Map(tenants.map((tenant, i) => [tenant, seq(2 ** 40 + i)]));
    const after = markAt(2 ** 40, { lastSeq, term: 7 });
    expect(await move(keys, startMark, after)).toBe('stored');
    const [mark] = await read(keys);
    expect(mark).toEqual(after);
  });

  test('a tenant that is not in this batch keeps its sequence', async () => {
    const keys = freshKeys('calls');
    const both = new Map([
      [tenantId('acme'), seq(4)],
      [tenantId('globex'), seq(9)],
    ]);
    await move(keys, startMark, markAt(1, { lastSeq: both }));
    const more = new Map([...both, [tenantId('acme'), seq(5)] as const]);
    expect(await move(keys, markAt(1, { lastSeq: both }), markAt(2, { lastSeq: more }))).toBe(
      'stored',
    );
    expect((await read(keys))[0]?.lastSeq).toEqual(more);
  });
});

describe('moving', () => {
  test('several projections move together, from the start and onwards', async () => {
    const keys = freshKeys('calls', 'legs', 'stats');
    expect(await move(keys, startMark, markAt(5))).toBe('stored');
    expect(await move(keys, markAt(5), markAt(9))).toBe('stored');
    expect(await read(keys)).toEqual([markAt(9), markAt(9), markAt(9)]);
  });

  test('nothing to move is `same`', async () => {
    const keys = freshKeys('calls', 'legs');
    await move(keys, startMark, markAt(5));
    expect(await move(keys, markAt(5), markAt(5))).toBe('same');
  });

  test('a writer that lost the race is told `ahead`, even for the very same batch', async () => {
    const keys = freshKeys('calls', 'legs');
    expect(await move(keys, startMark, markAt(5))).toBe('stored');
    expect(await move(keys, startMark, markAt(5))).toBe('ahead');
    expect(await move(keys, startMark, markAt(3))).toBe('ahead');
    expect(await move(keys, markAt(2), markAt(4))).toBe('ahead');
    expect(await read(keys)).toEqual([markAt(5), markAt(5)]);
  });

  test('a store that is behind, of another epoch, owner or term is a mismatch', async () => {
    const keys = freshKeys('calls');
    await move(keys, startMark, markAt(5));
    const wrong: Mark[] = [
      markAt(7),
      markAt(5, { epoch: epoch('e2') }),
      markAt(5, { owner: ownerId('o2') }),
      markAt(5, { term: 2 }),
    ];
    for (const before of wrong) expect(await move(keys, before, markAt(9))).toBe('mismatch');
    expect(await read(keys)).toEqual([markAt(5)]);
  });

  test('one projection that cannot move keeps all of them', async () => {
    const keys = freshKeys('calls', 'legs');
    await move(keys, startMark, markAt(5));
    await move(keys.slice(0, 1), markAt(5), markAt(8));
    expect(await move(keys, markAt(5), markAt(9))).toBe('ahead');
    expect(await read(keys)).toEqual([markAt(8), markAt(5)]);
    const third = [...keys, { projection: 'new', version: 1, partition: lastPartition }];
    expect(await move(third, markAt(8), markAt(9))).toBe('mismatch');
    expect(await read(keys)).toEqual([markAt(8), markAt(5)]);
  });

  test('of two writers at once exactly one stores', async () => {
    const keys = freshKeys('calls', 'legs');
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => move(keys, startMark, markAt(5))));
    expect(outcomes.sort()).toEqual(['ahead', 'ahead', 'ahead', 'stored']);
    const next = await Promise.all([6, 7, 8].map((to) => move(keys, markAt(5), markAt(to))));
    expect(next.filter((outcome) => outcome === 'stored')).toHaveLength(1);
    expect(next.filter((outcome) => outcome === 'ahead')).toHaveLength(2);
  });
});

describe('tables', () => {
  test('a reader of one tenant sees the marks and its own sequences only', async () => {
    const keys = freshKeys('calls');
    const lastSeq = new Map([
      [tenantId('acme'), seq(4)],
      [tenantId('globex'), seq(9)],
    ]);
    await move(keys, startMark, markAt(1, { lastSeq }));
    const [key] = keys;
    if (key === undefined) throw new Error('no key');
    const mark = await asTenant(database, 'acme', (transaction) => readMark(transaction, key));
    expect(mark).toEqual(markAt(1, { lastSeq: new Map([[tenantId('acme'), seq(4)]]) }));
  });

  test('the migrations of the log have a way back', async () => {
    const set = { set: 'log', directory: join(packageRoot(), 'log/migrations') };
    const own = openDatabase({ url: await migratedUrl(), max: 1, applicationName: 'test' });
    const tables = async (): Promise<string[]> => {
      const { rows } = await own.query<{ name: string }>(
        `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
      );
      return rows.map(({ name }) => name);
    };
    const before = await tables();
    expect(before).toContain('mark_sequences');
    await migrateDown(own, set);
    expect(await tables()).toEqual(['schema_migrations']);
    await migrate(own, set);
    expect(await tables()).toEqual(before);
    await own.end();
  });
});
