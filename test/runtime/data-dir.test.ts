import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dataDirHolder, lockDataDir } from '../../runtime/data-dir.js';

let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'trunkline-dir-')), 'data');
});
afterEach(() => rmSync(join(path, '..'), { recursive: true, force: true }));

describe('the data directory', () => {
  it('is held by one process, which the other is told of in one line', async () => {
    const held = await lockDataDir(path, 'trunkline serve');
    const refused = lockDataDir(path, 'trunkline tenant add');
    await expect(refused).rejects.toMatchObject({ code: 'data_dir_in_use' });
    await expect(refused).rejects.toThrow(
      new RegExp(`trunkline serve.*pid ${process.pid}.*TRUNKLINE_DATA`),
    );
    expect(await dataDirHolder(path)).toEqual({ pid: process.pid, purpose: 'trunkline serve' });
    await held.release();
    expect(await dataDirHolder(path)).toBeNull();
    const next = await lockDataDir(path, 'trunkline serve');
    await held.release();
    expect(await dataDirHolder(path)).not.toBeNull();
    await next.release();
  });

  it.each([
    ['of a process that is gone', { pid: 2 ** 22 + 1, started: '1', purpose: 'x' }],
    ['of a pid that was given out again', { pid: process.pid, started: '1', purpose: 'x' }],
    ['that is half written', 'half'],
  ])('is taken over from a lock %s', async (_name, content) => {
    await (await lockDataDir(path, 'first')).release();
    writeFileSync(
      join(path, 'lock.json'),
      JSON.stringify(content).slice(0, -1) + (typeof content === 'string' ? '' : '}'),
    );
    const held = await lockDataDir(path, 'second');
    expect(JSON.parse(readFileSync(join(path, 'lock.json'), 'utf8'))).toMatchObject({
      purpose: 'second',
    });
    await held.release();
  });

  it('is refused to a process that cannot see the pid of its holder, as in another container', async () => {
    const held = await lockDataDir(path, 'trunkline ingest');
    const file = join(path, 'lock.json');
    const lock = JSON.parse(readFileSync(file, 'utf8')) as object;
    for (const pid of [2 ** 22 + 1, process.pid]) {
      writeFileSync(file, JSON.stringify({ ...lock, pid, started: '1' }));
      await expect(lockDataDir(path, 'second')).rejects.toMatchObject({ code: 'data_dir_in_use' });
      expect(await dataDirHolder(path)).toMatchObject({ purpose: 'trunkline ingest' });
    }
    writeFileSync(file, JSON.stringify(lock));
    await held.release();
    expect(readdirSync(path)).toEqual([]);
  });

  it('is held by the lock alone where a socket’s path would be too long', async () => {
    const deep = join(path, 'x'.repeat(120));
    const held = await lockDataDir(deep, 'trunkline serve');
    await expect(lockDataDir(deep, 'second')).rejects.toMatchObject({ code: 'data_dir_in_use' });
    await held.release();
    await (await lockDataDir(deep, 'second')).release();
  });

  it.each([
    ['a free directory', null],
    ['a stale lock', { id: 'old', pid: 2 ** 22 + 1, started: '1', purpose: 'x' }],
  ])('goes to exactly one of many that start at once, from %s', async (_name, before) => {
    await (await lockDataDir(path, 'first')).release();
    if (before !== null) writeFileSync(join(path, 'lock.json'), JSON.stringify(before));
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => lockDataDir(path, 'race')),
    );
    const winners = results.filter((result) => result.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    await winners[0]?.value.release();
  });
});
