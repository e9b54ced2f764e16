// A world without log and store: decisions on states in a map, and the read models that follow from
// the events alone, as a projection would keep them.

import { decideFacts, type Whose } from '../../processors/decide-input.js';
import type { SealedFact } from '../../processors/seal.js';
import type { BatchStates } from '../../processors/state.js';
import { nameOf, type AggregateState } from '../../schemas/aggregates.js';
import type {
  CallView,
  MessageView,
  StoredCallFact,
  TimelineEntry,
} from '../../schemas/call-state.js';
import type { EventBody } from '../../schemas/events.js';
import type { RecordView } from '../../schemas/record-state.js';
import { compareOrder, compareText } from '../../processors/call/order.js';

export class PureWorld {
  readonly states = new Map<string, AggregateState>();
  readonly calls = new Map<string, CallView>();
  readonly messages = new Map<string, MessageView>();
  readonly records = new Map<string, RecordView>();
  readonly events: EventBody[] = [];
  readonly #timelines = new Map<string, Map<string, TimelineEntry>>();

  /** Decides facts one after the other and applies their events. */
  take(whose: Whose, ...facts: readonly SealedFact[]): readonly EventBody[] {
    const states: BatchStates = {
      get: (ref) => this.states.get(nameOf(ref)) ?? null,
      set: (ref, state) => this.states.set(nameOf(ref), state),
      commit: () => {},
      discard: () => {},
    };
    const bodies = decideFacts(whose, facts, states).map(({ body }) => body);
    for (const body of bodies) this.#apply(body);
    return bodies;
  }

  takeCall(whose: Whose, ...facts: readonly StoredCallFact[]): readonly EventBody[] {
    return this.take(whose, ...facts.map((fact): SealedFact => ({ kind: 'call', fact })));
  }

  /** Calls that are not a leg of another one. */
  get live(): readonly CallView[] {
    return [...this.calls.values()].filter(({ mergedInto }) => mergedInto === null);
  }

  timeline(callId: string): readonly TimelineEntry[] {
    return [...(this.#timelines.get(callId)?.values() ?? [])].sort(
      (a, b) => compareOrder(a.order, b.order) || compareText(a.entryId, b.entryId),
    );
  }

  /** What a reader sees of all calls in the end: views and timelines. */
  get outcome() {
    const live = [...this.live].sort((a, b) => compareText(a.callId, b.callId));
    return live.map((view) => ({ view, timeline: this.timeline(view.callId) }));
  }

  #apply(body: EventBody): void {
    this.events.push(body);
    if (body.kind === 'message') this.messages.set(body.messageId, body.after);
    if (body.kind === 'record') this.records.set(body.recordId, body.after);
    if (body.kind === 'call') this.calls.set(body.callId, body.after);
    if ((body.kind !== 'call' && body.kind !== 'not_understood') || body.callId === null) return;
    const lines = this.#timelines.get(body.callId) ?? new Map<string, TimelineEntry>();
    for (const id of body.timeline.remove) lines.delete(id);
    for (const entry of body.timeline.upsert) lines.set(entry.entryId, entry);
    this.#timelines.set(body.callId, lines);
  }
}
