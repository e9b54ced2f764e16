// Policy: how often and for how much. In: attempts and money spent so far. Out: whether one more fits, and when it
// would. States are small: what has left the window is dropped when the next attempt is counted.

import { instantOf, wallTime, yearOf } from './wall-time.js';

/** At most `max` attempts in any window of this length, per subject over all numbers and providers. */
export interface ContactCap {
  readonly id: string;
  readonly max: number;
  readonly windowMs: number;
  readonly source: string;
}

/** Instants (ms) of attempts to one recipient about one subject, oldest first. */
export type Attempts = readonly number[];

/** The attempts after one more, without those that no window of this length reaches. */
export function countAttempt(attempts: Attempts, at: number, longestMs: number): Attempts {
  return [...attempts.filter((one) => one > at - longestMs), at].sort((a, b) => a - b);
}

/** When another attempt fits under a cap: `at` itself, or the instant at which enough of them have left the window. */
export function capAllowsAt({ max, windowMs }: ContactCap, attempts: Attempts, at: number): number {
  // Attempts noted after `at` count too: clocks of two processes need not agree.
  const counted = attempts.filter((one) => one > at - windowMs).sort((a, b) => a - b);
  if (counted.length < max) return at;
  const leaves = counted[counted.length - max];
  return leaves === undefined ? at : Math.max(at, leaves + windowMs);
}

/** What a tenant may spend, in millionths of its currency; null is no limit. */
export interface Budget {
  readonly daily: number | null;
  readonly monthly: number | null;
  /** Days and months are those of this zone. */
  readonly zone: string;
}

/** What was spent, by the day and month it was spent in. Estimates count until the price is known. */
export interface Spending {
  readonly day: number;
  readonly daySpent: number;
  /** Months since 1970-01. */
  readonly month: number;
  readonly monthSpent: number;
}

export const noSpending: Spending = { day: 0, daySpent: 0, month: 0, monthSpent: 0 };

function periodOf(zone: string, at: number): { readonly day: number; readonly month: number } {
  const { day } = wallTime(zone, at);
  const year = yearOf(day);
  return { day, month: (year - 1970) * 12 + new Date(day * 86_400_000).getUTCMonth() };
}

/** The spending after an amount: an estimate at the decision, or the difference once the price is known. */
export function spend(state: Spending, zone: string, at: number, amount: number): Spending {
  const { day, month } = periodOf(zone, at);
  // What is settled late belongs to a period that is over: it changes the month if that still runs.
  const daySpent =
    day < state.day ? state.daySpent : (day === state.day ? state.daySpent : 0) + amount;
  const monthSpent =
    month < state.month
      ? state.monthSpent
      : (month === state.month ? state.monthSpent : 0) + amount;
  return {
    day: Math.max(day, state.day),
    daySpent,
    month: Math.max(month, state.month),
    monthSpent,
  };
}

/** Where a budget stands with one more amount. */
export interface BudgetVerdict {
  readonly state: 'free' | 'warned' | 'stopped';
  /** The first instant of the period in which there is room again; null where it is not stopped. */
  readonly until: number | null;
  readonly which: 'day' | 'month' | null;
}

const warnAt = 0.9;

/** Warns at 90 %, stops at 100 %: an amount that would go over a limit is not spent. */
export function judgeBudget(
  budget: Budget,
  spending: Spending,
  at: number,
  amount: number,
): BudgetVerdict {
  const { zone } = budget;
  const { day, month } = periodOf(zone, at);
  const day0 = spending.day === day ? spending.daySpent : 0;
  const month0 = spending.month === month ? spending.monthSpent : 0;
  const share = (limit: number | null, spent: number): number =>
    limit === null ? 0 : limit <= 0 ? Infinity : (spent + amount) / limit;
  const monthly = share(budget.monthly, month0);
  const daily = share(budget.daily, day0);
  if (monthly > 1) return { state: 'stopped', until: monthBegins(zone, month + 1), which: 'month' };
  if (daily > 1) {
    const until = instantOf(zone, { day: day + 1, minute: 0 });
    return { state: 'stopped', until, which: 'day' };
  }
  const which = monthly >= warnAt ? 'month' : daily >= warnAt ? 'day' : null;
  return { state: which === null ? 'free' : 'warned', until: null, which };
}

function monthBegins(zone: string, month: number): number {
  const day = Date.UTC(1970 + Math.floor(month / 12), month % 12, 1) / 86_400_000;
  return instantOf(zone, { day, minute: 0 });
}
