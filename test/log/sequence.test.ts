// The reader of a partition: owner test before sequence test, coverage by maximum, loud losses.

import { describe, expect, it } from 'vitest';
import { startMark, type Mark } from '../../log/mark.js';
import { PartitionReader, type Verdict } from '../../log/sequence.js';
import { TrunklineError } from '../../runtime/errors.js';
import type { StoredRecord } from '../../log/event-log.js';
import { offset } from '../../schemas/ids.js';

/** Records in shorthand: `m o1 1`, `e o1 a 1 x 3,-1` (tenant, seq, id, coverage), `c o1 4,0`. */
function record(at: number, text: string): StoredRecord {
  const [kind = '', owner = '', ...rest] = text.split(' ');
  const make = (key: string, header: string): StoredRecord => ({
    key,
    header,
    value: kind === 'e' ? Buffer.from(text) : null,
    offset: offset(at),
    appendedAt: at,
  });
  const spaced = (covered = '-1,-1'): string => covered.replace(',', ' ');
  if (kind === 'm') return make('', `1 m ${owner} ${rest[0] ?? ''} ${rest[1] ?? 'E'}`);
  if (kind === 'c') return make('', `1 c ${owner} E ${spaced(rest[0])}`);
  const [tenant = '', seq = '', id = '', covered] = rest;
  return make(tenant, `1 e ${owner} E ${spaced(covered)} ${seq} ${id}`);
}

const readAll = (reader: PartitionReader, ...texts: string[]): string[] =>
  texts.map((text) => nameOf(reader.read(record(reader.next, text))));

const nameOf = (verdict: Verdict): string =>
  verdict.kind === 'dropped' ? verdict.why : verdict.kind;

const fromStart = (): PartitionReader => new PartitionReader(startMark, 'events[0]');

function lossOf(act: () => unknown): string {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof TrunklineError) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
  return 'no loss';
}

describe('the reader of a partition', () => {
  it('accepts a marker only if its term is higher', () => {
    const reader = fromStart();
    expect(readAll(reader, 'm o1 1', 'm o2 2', 'm o1 1', 'm o3 2')).toEqual([
      'marker',
      'marker',
      'late_marker',
      'late_marker',
    ]);
    expect(reader.mark()).toMatchObject({ owner: 'o2', term: 2, epoch: 'E', next: 4 });
  });

  it('drops what the owner did not write, and it changes nothing', () => {
    const reader = fromStart();
    readAll(reader, 'm o1 1', 'e o1 a 1 x 0,-1', 'm o2 2');
    const before = reader.mark();
    expect(readAll(reader, 'e o1 a 2 y 5,5', 'c o1 9,9')).toEqual(['not_owner', 'not_owner']);
    expect(reader.mark()).toEqual({ ...before, next: 5 });
    expect(readAll(reader, 'e o2 a 2 z 1,-1')).toEqual(['event']);
  });

  it('tests the owner first: a number used by a dropped record is still free', () => {
    const reader = fromStart();
    expect(readAll(reader, 'm o1 1', 'm o2 2', 'e o1 a 1 x', 'e o2 a 1 y')).toEqual([
      'marker',
      'marker',
      'not_owner',
      'event',
    ]);
  });

  it('drops a copy, and keeps the highest coverage it has seen', () => {
    const reader = fromStart();
    readAll(reader, 'm o1 1', 'e o1 a 1 x 0,0', 'e o1 a 2 y 3,1');
    expect(readAll(reader, 'e o1 a 1 x 0,0', 'c o1 2,4')).toEqual(['duplicate', 'checkpoint']);
    expect(reader.mark()).toMatchObject({ covered: { realtime: 3, bulk: 4 } });
  });

  it('counts each tenant on its own', () => {
    const reader = fromStart();
    expect(readAll(reader, 'm o1 1', 'e o1 a 1 x', 'e o1 b 1 y', 'e o1 a 2 z')).toEqual([
      'marker',
      'event',
      'event',
      'event',
    ]);
    expect([...reader.mark().lastSeq]).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
  });

  it('takes another event under a used number for a loss', () => {
    const reader = fromStart();
    readAll(reader, 'm o1 1', 'e o1 a 1 x');
    expect(lossOf(() => readAll(reader, 'e o1 a 1 y'))).toMatch(/^log_loss: .*used by two events/);
  });

  it('takes a skipped number for a loss', () => {
    const reader = fromStart();
    readAll(reader, 'm o1 1', 'e o1 a 1 x');
    expect(lossOf(() => readAll(reader, 'e o1 a 3 y'))).toMatch(/^log_loss: .*3 of a came after 1/);
  });

  it('takes a skipped offset for a loss and drops an earlier one', () => {
    const reader = fromStart();
    readAll(reader, 'm o1 1', 'e o1 a 1 x');
    expect(nameOf(reader.read(record(0, 'm o9 9')))).toBe('earlier_offset');
    expect(reader.owner).toBe('o1');
    expect(lossOf(() => reader.read(record(3, 'e o1 a 2 y')))).toMatch(/^log_loss: .*offset 3/);
  });

  it('stops at another epoch, even in records that it would drop', () => {
    const mark: Mark = { ...startMark, epoch: 'old' as Mark['epoch'], next: offset(2), term: 5 };
    const read = (text: string) => () =>
      new PartitionReader(mark, 'events[0]').read(record(2, text));
    expect(lossOf(read('e o1 a 1 x'))).toMatch(/^log_loss: .*another log/);
    expect(lossOf(read('c o1 0,0'))).toMatch(/^log_loss: .*another log/);
    expect(lossOf(read('m o1 6'))).toMatch(/^log_loss: .*another log/);
  });

  it('lets a refused marker name another epoch: two candidates may find the log empty', () => {
    const reader = fromStart();
    expect(readAll(reader, 'm o1 1 one', 'm o2 1 two')).toEqual(['marker', 'late_marker']);
    expect(reader.epoch).toBe('one');
  });

  it('stops at a header it cannot read', () => {
    const reader = fromStart();
    const strange = { ...record(0, 'm o1 1'), header: '{"v":1}' };
    expect(lossOf(() => reader.read(strange))).toMatch(/^record_invalid/);
    expect(lossOf(() => reader.read({ ...strange, header: '1 f' }))).toMatch(/^record_invalid/);
  });

  it('is not moved by what it stops at: its mark is stored and read on from', () => {
    const reader = fromStart();
    readAll(reader, 'm o1 1', 'e o1 a 1 x 0,-1');
    const before = reader.mark();
    const empty = { ...record(2, 'e o1 a 2 y 7,7'), value: null };
    expect(lossOf(() => reader.read(empty))).toMatch(/^record_invalid/);
    expect(reader.mark()).toEqual(before);
    const skipping = fromStart();
    readAll(skipping, 'm o1 1', 'e o1 a 1 x 0,-1', 'c o1 0,-1');
    expect(lossOf(() => readAll(skipping, 'e o1 a 3 y 7,7'))).toMatch(/^log_loss/);
    expect(skipping.mark()).toEqual({ ...before, next: 3 });
  });

  it('goes on from its own mark as if it had read on', () => {
    const texts = [
      'm o1 1',
      'e o1 a 1 x 0,-1',
      'm o2 2',
      'e o1 a 2 w',
      'e o2 a 2 y 1,0',
      'c o2 1,3',
    ];
    for (let cut = 0; cut <= texts.length; cut += 1) {
      const first = fromStart();
      readAll(first, ...texts.slice(0, cut));
      const second = new PartitionReader(first.mark(), 'events[0]');
      readAll(second, ...texts.slice(cut));
      readAll(first, ...texts.slice(cut));
      expect(second.mark(), `cut at ${cut}`).toEqual(first.mark());
    }
  });
});
