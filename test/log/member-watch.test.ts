// A membership of the group that kafkajs would keep without its group.

import { expect, test } from 'vitest';

import { MemberWatch } from '../../log/member-watch.js';

function watched() {
  const clock = { steady: 50_000, wall: 1_790_000_000_000 };
  const watch = new MemberWatch(6_000, { steady: () => clock.steady, wall: () => clock.wall });
  const pass = (ms: number): void => {
    clock.steady += ms;
    clock.wall += ms;
  };
  return { watch, clock, pass };
}

test('a member that hears from its group goes on', () => {
  const { watch, pass } = watched();
  for (let i = 0; i < 20; i += 1) {
    pass(1_500);
    expect(watch.look()).toBeNull();
    watch.sign();
  }
});

test('silence for two session timeouts ends it', () => {
  const { watch, pass } = watched();
  pass(11_900);
  expect(watch.look()).toBeNull();
  pass(200);
  expect(watch.look()).toBe('no heartbeat');
});

test('a clock set back ends it at once: kafkajs would send no heartbeat until then', () => {
  const { watch, clock } = watched();
  clock.wall -= 3_600_000;
  expect(watch.look()).toBe('the clock was set back');
});

test('a clock set forward, and then corrected, does not blind the watch to silence', () => {
  const { watch, clock, pass } = watched();
  clock.wall += 7_200_000;
  expect(watch.look()).toBeNull();
  watch.sign();
  pass(12_100);
  expect(watch.look()).toBe('no heartbeat');
});

test('a small correction is none', () => {
  const { watch, clock } = watched();
  clock.wall -= 900;
  expect(watch.look()).toBeNull();
});
