// Partitions of a peer that is gone, taken before the group has noticed.

import { expect, test } from 'vitest';

import { EarlyTakes } from '../../log/early-takes.js';

const self = 10;
const peer = 20;

/** A member with partitions 0 and 2, whose peer is at work on 1 and 3. */
function member() {
  const told: string[] = [];
  const taken: number[] = [];
  const takes = new EarlyTakes(
    {
      assigned: (partition) => told.push(`+${partition}`),
      revoked: (partition) => told.push(`-${partition}`),
    },
    (partition) => taken.push(partition),
  );
  for (const partition of [0, 2]) takes.assigned(partition);
  takes.joined();
  const see = (held: readonly number[], members: readonly number[] = [self, peer]): void => {
    takes.seen(self, { members, heldByOthers: new Set(held) });
  };
  see([1, 3]);
  told.length = 0;
  return { takes, told, taken, see };
}

test('what a peer left behind is taken once it was seen free twice, and the group’s word later changes nothing', () => {
  const { takes, told, taken, see } = member();
  see([], [self]);
  expect(taken).toEqual([]);
  see([], [self]);
  expect(taken).toEqual([1, 3]);
  expect([...takes.held].sort()).toEqual([0, 1, 2, 3]);
  told.length = 0;
  for (const partition of [1, 3]) takes.assigned(partition);
  takes.joined();
  expect(told).toEqual([]);
  expect([...takes.held].sort()).toEqual([0, 1, 2, 3]);
});

test('a partition that changes hands between two looks is left alone', () => {
  const { taken, see } = member();
  see([3]);
  see([1, 3]);
  see([3]);
  see([1, 3]);
  expect(taken).toEqual([]);
});

test('of several that are left, one takes; if it does not, the next one', () => {
  const third = 30;
  const { taken, see } = member();
  see([], [self, third]);
  see([], [self, third]);
  expect(taken).toEqual([]);
  for (let i = 0; i < 5; i += 1) see([], [self, third]);
  expect(taken).toEqual([1, 3]);
});

test('a peer that comes back, or whom the group gives it to, has it again', () => {
  const back = member();
  back.see([], [self]);
  back.see([], [self]);
  back.told.length = 0;
  back.see([1]);
  expect(back.told).toEqual(['-1']);
  back.takes.joined();
  expect(back.told).toEqual(['-1', '-3']);
});

test('what nobody was seen to work on is nobody’s to take: a database that was away has shown nothing', () => {
  const { takes, taken, see } = member();
  takes.forget();
  for (let i = 0; i < 10; i += 1) see([], [self]);
  expect(taken).toEqual([]);
});

test('whoever is no member takes nothing, and works on until another is seen at it', () => {
  const { takes, told, taken, see } = member();
  takes.lost();
  for (const partition of [0, 2]) takes.revoked(partition);
  see([], [self]);
  see([], [self]);
  see([], [self]);
  expect(taken).toEqual([]);
  expect(told).toEqual([]);
  see([2], [self, peer]);
  expect(told).toEqual(['-2']);
  // Back in the group: what it gives goes on without a second take, what it does not is given up.
  takes.assigned(0);
  takes.joined();
  expect(told).toEqual(['-2']);
  expect([...takes.held]).toEqual([0]);
});

test('a membership that comes back with other partitions gives up those of before', () => {
  const { takes, told } = member();
  takes.lost();
  for (const partition of [0, 2]) takes.revoked(partition);
  takes.assigned(1);
  takes.assigned(2);
  takes.joined();
  expect(told).toEqual(['+1', '-0']);
});
