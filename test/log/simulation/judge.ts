// Judges a finished world by the promises of the protocol (P1 to P4, P6), from the outside: the log
// as it stands, and what the store applied.

import type { Clauses } from '../../../log/clauses.js';
import { startMark, type Mark } from '../../../log/mark.js';
import type { MemoryStore } from '../../../log/memory.js';
import { PartitionReader, type ValidEvent } from '../../../log/sequence.js';
import { toError } from '../../../runtime/errors.js';
import type { Coverage } from '../../../schemas/events.js';
import { nameOf } from '../../../schemas/aggregates.js';
import type { TenantId } from '../../../schemas/ids.js';
import {
  callRef,
  contactRef,
  emptyChain,
  idOf,
  inputOf,
  link,
  readPayload,
  touchedBy,
} from './inputs.js';

/** Every broken promise, in words; empty when all of them are kept. */
export function judgeWorld(
  store: MemoryStore,
  applied: readonly ValidEvent[],
  clauses: Clauses,
): readonly string[] {
  return [...agreement(store, applied, clauses), ...judgeApplied(applied, expectedOutputs(store))];
}

/** What of an applied event is judged. */
export type Applied = Pick<ValidEvent, 'tenant' | 'seq' | 'eventId' | 'value'>;

/** P1, P2, P4 and P6 of what was applied; `due` names all outputs, real-time lane first. */
export function judgeApplied(
  applied: readonly Applied[],
  due: readonly string[],
): readonly string[] {
  return [...density(applied), ...chains(applied), ...onceEach(due, applied)];
}

/** The ids of all outputs that the inputs must have, lane by lane, in order. */
export function expectedOutputs(store: MemoryStore): readonly string[] {
  return (['deliveries', 'deliveries.bulk'] as const).flatMap((topic) => {
    const letter = topic === 'deliveries' ? 'r' : 'b';
    return store.records(topic, 0).flatMap((record) => {
      const { outputs } = inputOf(record);
      return Array.from({ length: outputs }, (_, i) => `${letter}${record.offset}.${i}`);
    });
  });
}

/** The log as a reader finds it that starts at the beginning. */
export function readAll(
  store: MemoryStore,
  clauses: Clauses,
): {
  readonly offsets: readonly number[];
  readonly dropped: readonly string[];
  readonly covered: Coverage;
  readonly loss: string | null;
} {
  const reader = new PartitionReader(startMark, 'events[0]', clauses);
  const offsets: number[] = [];
  const dropped: string[] = [];
  let loss: string | null = null;
  try {
    for (const record of store.records('events', 0)) {
      const verdict = reader.read(record);
      if (verdict.kind === 'event') offsets.push(verdict.event.offset);
      if (verdict.kind === 'dropped') dropped.push(verdict.why);
    }
  } catch (thrown) {
    loss = `loss seen from the start: ${toError(thrown).message}`;
  }
  return { offsets, dropped, covered: reader.covered, loss };
}

/** Whether valid records cover every input, those without outputs too. */
export function isCovered(store: MemoryStore, clauses: Clauses): boolean {
  const { realtime, bulk } = readAll(store, clauses).covered;
  const end = (topic: 'deliveries' | 'deliveries.bulk'): number => store.bounds(topic, 0).next;
  return realtime + 1 === end('deliveries') && bulk + 1 === end('deliveries.bulk');
}

/** P3: who reads from the start finds the very events that the store has applied. */
function agreement(
  store: MemoryStore,
  applied: readonly ValidEvent[],
  clauses: Clauses,
): readonly string[] {
  const { offsets, loss } = readAll(store, clauses);
  if (loss !== null) return [loss];
  const seen = applied.map((event) => event.offset).join();
  return seen === offsets.join() ? [] : [`P3 valid ${offsets.join()}, applied ${seen}`];
}

/** P2: the numbers of a tenant are 1, 2, 3 … */
function density(applied: readonly Applied[]): readonly string[] {
  const last = new Map<TenantId, number>();
  return applied.flatMap(({ tenant, seq }) => {
    const due = (last.get(tenant) ?? 0) + 1;
    last.set(tenant, seq);
    return seq === due ? [] : [`P2 ${tenant} has ${seq} where ${due} was due`];
  });
}

/** P4: each event was decided from the fold of all events before it that touch what it is about. */
function chains(applied: readonly Applied[]): readonly string[] {
  const folded = new Map<string, string>();
  return applied.flatMap((event) => {
    const payload = readPayload(event);
    const { tenant, call, before } = payload;
    const chain = (name: string): string => folded.get(name) ?? emptyChain;
    const isRight =
      before.call === chain(nameOf(callRef(tenant, call))) &&
      before.contact === chain(nameOf(contactRef(tenant)));
    for (const ref of touchedBy(payload)) {
      folded.set(nameOf(ref), link(chain(nameOf(ref)), idOf(payload)));
    }
    return isRight ? [] : [`P4 ${event.eventId} on another state`];
  });
}

/** P3: who begins at a mark in the middle finds what who begins at the start finds from there on. */
export function judgeStart(store: MemoryStore, mark: Mark, clauses: Clauses): readonly string[] {
  const reader = new PartitionReader(mark, 'events[0]', clauses);
  const seen: number[] = [];
  try {
    for (const record of store.records('events', 0)) {
      if (record.offset < mark.next) continue;
      const verdict = reader.read(record);
      if (verdict.kind === 'event') seen.push(verdict.event.offset);
    }
  } catch (thrown) {
    return [`P3 loss seen from ${mark.next}: ${toError(thrown).message}`];
  }
  const due = readAll(store, clauses).offsets.filter((at) => at >= mark.next);
  return seen.join() === due.join()
    ? []
    : [`P3 from ${mark.next} ${seen.join()}, due ${due.join()}`];
}

/** P1 and P6: the outputs of every input stand there once, together, in order, lane by lane. */
function onceEach(expected: readonly string[], applied: readonly Applied[]): readonly string[] {
  const found = applied.map((event) => event.eventId);
  const byLane = [...found.filter(isRealtime), ...found.filter((id) => !isRealtime(id))].join(' ');
  const due = expected.join(' ');
  const broken = byLane === due ? [] : [`P1/P6 due ${due}, applied ${byLane}`];
  return [...broken, ...together(found)];
}

const isRealtime = (id: string): boolean => id.startsWith('r');

/** The outputs of one input stand side by side: nothing of another input came between them. */
function together(found: readonly string[]): readonly string[] {
  const inputs = found.map((id) => id.split('.')[0] ?? '');
  const runs = inputs.filter((input, i) => input !== inputs[i - 1]);
  return new Set(runs).size === runs.length
    ? []
    : [`P1 outputs are torn apart: ${found.join(' ')}`];
}
