// Gateway: what can be subscribed to. In: topic and filter as a client names them. Out: a parsed topic,
// and for each event of the ring whether it concerns a subscription.

import type { Permission } from './authorize.js';
import type { RingEntry } from './ring.js';

export type Topic =
  | { readonly kind: 'calls' }
  | { readonly kind: 'call'; readonly callId: string }
  | { readonly kind: 'messages' }
  | { readonly kind: 'records' }
  | { readonly kind: 'stats' };

/** What a filter looks at. */
export interface FilterFacts {
  readonly status: string;
  readonly direction: string | null;
}

/** Null: no restriction. */
export interface Filter {
  readonly statuses: ReadonlySet<string> | null;
  readonly direction: string | null;
  /** Canonical text, the same for equal filters; empty for none. */
  readonly key: string;
}

export const noFilter: Filter = { statuses: null, direction: null, key: '' };

/** The statuses of calls that go on; a client may write `active` for them. */
export const activeStatuses = [
  'initiated',
  'ringing',
  'answered',
  'on_hold',
  'transferring',
] as const;
const callStatuses: ReadonlySet<string> = new Set([...activeStatuses, 'completed', 'failed']);
const directions: ReadonlySet<string> = new Set(['inbound', 'outbound']);
const callIdPattern = /^[\x21-\x7e]{1,200}$/;

/** Reads a topic; null when there is none of that name. */
export function parseTopic(text: string): Topic | null {
  if (text === 'calls' || text === 'messages' || text === 'records' || text === 'stats') {
    return { kind: text };
  }
  if (!text.startsWith('call:')) return null;
  const callId = text.slice('call:'.length);
  return callIdPattern.test(callId) ? { kind: 'call', callId } : null;
}

/** The permission a topic asks for. */
export function permissionOf(topic: Topic): Permission {
  switch (topic.kind) {
    case 'calls':
    case 'call':
      return 'calls.read';
    case 'messages':
      return 'messages.read';
    case 'records':
      return 'records.read';
    case 'stats':
      return 'stats.read';
  }
}

/**
 * Reads a filter: `status` (comma separated, `active` for every status that goes on) and `direction`,
 * both only on `calls`. Null when it names anything else.
 */
export function parseFilter(
  topic: Topic,
  given: Readonly<Record<string, string>> | undefined,
): Filter | null {
  const entries = Object.entries(given ?? {});
  if (entries.length === 0) return noFilter;
  if (topic.kind !== 'calls') return null;
  if (entries.some(([name]) => name !== 'status' && name !== 'direction')) return null;
  const direction = given?.['direction'] ?? null;
  if (direction !== null && !directions.has(direction)) return null;
  const statuses = given?.['status'] === undefined ? null : parseStatuses(given['status']);
  if (statuses === 'invalid') return null;
  const listed = statuses === null ? '' : [...statuses].sort().join(',');
  return { statuses, direction, key: `${listed}/${direction ?? ''}` };
}

function parseStatuses(text: string): ReadonlySet<string> | 'invalid' {
  const names = text.split(',').flatMap((name) => (name === 'active' ? activeStatuses : [name]));
  return names.every((name) => callStatuses.has(name)) ? new Set(names) : 'invalid';
}

/** True when something with these facts passes the filter. */
export function passes(filter: Filter, facts: FilterFacts): boolean {
  return (
    (filter.statuses === null || filter.statuses.has(facts.status)) &&
    (filter.direction === null || filter.direction === facts.direction)
  );
}

/** `event`: send it. `left`: the call no longer passes the filter. Null: it does not concern it. */
export type Concern = 'event' | 'left' | null;

/**
 * Whether an event concerns a subscription. What the call looked like before is known from the ring;
 * where it is not, the call may have been in the filter and its leaving is said, which is harmless.
 */
export function concernOf(topic: Topic, filter: Filter, entry: RingEntry): Concern {
  switch (topic.kind) {
    case 'calls':
      if (entry.kind !== 'call') return null;
      if (filter.key === '' || entry.after === null || passes(filter, entry.after)) return 'event';
      if (entry.mergedFrom !== null) return 'left';
      return entry.before === null || passes(filter, entry.before) ? 'left' : null;
    case 'call':
      return entry.callId === topic.callId ? 'event' : null;
    case 'messages':
      return entry.kind === 'message' ? 'event' : null;
    case 'records':
      return entry.kind === 'record' ? 'event' : null;
    case 'stats':
      return null;
  }
}
