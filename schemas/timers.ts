// What travels: timers. A call event arms one, the projections keep it as a row, the scheduler appends it
// as a fact when it is due, and it counts only while the call says that this very timer is armed.

import type { CallStatus } from './facts.js';

/**
 * `watchdog`: nothing was heard of a call for longer than its status allows. `inference`: nobody could say
 * what became of it. `settle`: late data of a call that ended (duration, price, recording) is no longer waited for.
 */
export const timerNames = ['watchdog', 'inference', 'settle'] as const;
export type TimerName = (typeof timerNames)[number];

/** The timer of a call, as an event of the call says it. Instants in ms since 1970. */
export interface ArmedTimer {
  readonly name: TimerName;
  /** Names this arming and no other; made of what the call knew, so that it is the same wherever it is made. */
  readonly timerId: string;
  /** Since when it runs: receipt of the last fact, of the watchdog, or of the end. */
  readonly since: number;
  readonly dueAt: number;
}

/** The generation is in the id: a timer that was armed anew has another one. */
export const timerIdOf = (name: TimerName, status: CallStatus, since: number): string =>
  `${name}:${status}:${since}`;

/** How long each status may be silent, in ms; an end has no bound. */
export type StatusBounds = Readonly<Record<Exclude<CallStatus, 'completed' | 'failed'>, number>>;

const minuteMs = 60_000;

/** What holds where nothing else is configured, and for calls that were recorded before there were timers. */
export const defaultBounds: StatusBounds = {
  initiated: 5 * minuteMs,
  ringing: 5 * minuteMs,
  answered: 240 * minuteMs,
  on_hold: 60 * minuteMs,
  transferring: 5 * minuteMs,
};

/** How long the provider is asked before the end of a call is inferred. */
export const defaultPatienceMs = 15 * minuteMs;

/** How long late data of a call that ended is waited for. */
export const defaultSettleMs = 30 * minuteMs;
