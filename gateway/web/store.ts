// The stream's client: the store of one subscription. In: frames in their order. Out: items by id, a cursor,
// and the certainty that each event was applied once or that the store begins again.

import type {
  CallDetailItem,
  Cursor,
  LiveEvent,
  ServerFrame,
  TimelineItem,
} from '../../schemas/live-frames.js';

type StoreFrame = Extract<ServerFrame, { type: 'snapshot' | 'event' | 'live' | 'resync' }>;

/** Items of one topic; `client.ts` hands it out as a `LiveSubscription`. */
export class LiveStore {
  items = new Map<string, unknown>();
  /** Counts changes of `items`. */
  version = 0;
  cursor: Cursor | null = null;
  isLive = false;
  error: { readonly code: string; readonly detail: string } | null = null;
  /** How many hold this store; the last one that closes it leaves the topic. */
  users = 0;
  private readonly changeListeners = new Set<() => void>();
  private readonly eventListeners = new Set<(event: LiveEvent, seq: number) => void>();
  /** Pages of a snapshot that is not complete yet; null when none is awaited. */
  private pages: Map<string, unknown> | null = new Map();
  /** Seq of the last event frame since the last subscribing or snapshot, as the server counts it. */
  private lastEvent = 0;

  constructor(
    readonly id: string,
    readonly topic: string,
    readonly filter: Readonly<Record<string, string>> | undefined,
    private readonly leave: (store: LiveStore) => void,
  ) {}

  onChange(listener: () => void): () => void {
    this.changeListeners.add(listener);
    return () => this.changeListeners.delete(listener);
  }

  onEvent(listener: (event: LiveEvent, seq: number) => void): () => void {
    this.eventListeners.add(listener);
    return () => this.eventListeners.delete(listener);
  }

  close(): void {
    this.users -= 1;
    if (this.users === 0) this.leave(this);
  }

  /** The subscription was asked for, going on after the cursor or from a snapshot. */
  asked(isResumed: boolean): void {
    this.error = null;
    this.lastEvent = 0;
    this.pages = isResumed ? null : new Map();
  }

  /** Nothing that stands here can be gone on from; it stays visible until the snapshot is complete. */
  begin(): void {
    this.cursor = null;
    this.pages = new Map();
    this.isLive = false;
    this.lastEvent = 0;
  }

  disconnected(): void {
    this.isLive = false;
    this.changed();
  }

  refused(code: string, detail: string): void {
    this.error = { code, detail };
    this.changed();
  }

  apply(frame: StoreFrame): void {
    switch (frame.type) {
      case 'snapshot':
        this.snapshot(frame);
        break;
      case 'event':
        this.event(frame.seq, frame.event);
        break;
      case 'live':
        if (this.pages !== null) return;
        this.moveTo(frame.seq);
        this.isLive = true;
        break;
      case 'resync':
        this.begin();
        break;
    }
    this.changed();
  }

  /** False when the server sent an event that was not applied here: something is missing. */
  proves(top: number, sent: number): boolean {
    if (this.pages !== null || this.cursor === null) return true;
    if (this.topic !== 'stats' && sent !== 0 && sent !== this.lastEvent) return false;
    this.moveTo(top);
    return true;
  }

  private snapshot(frame: Extract<StoreFrame, { type: 'snapshot' }>): void {
    this.pages ??= new Map();
    for (const item of frame.items) this.pages.set(keyOf(this.topic, item), item);
    if (frame.more) return;
    this.items = this.pages;
    this.version += 1;
    this.pages = null;
    this.cursor = frame.asOf;
    this.lastEvent = 0;
  }

  private event(seq: number, event: LiveEvent): void {
    // Until the snapshot is there, what comes belongs to the subscription before it.
    if (this.pages !== null || this.cursor === null) return;
    this.lastEvent = seq;
    // Statistics of several minutes stand at one position; their rows are absolute.
    const isKnown = this.topic === 'stats' ? seq < this.cursor.seq : seq <= this.cursor.seq;
    if (isKnown) return;
    applyEvent(this.topic, this.items, event);
    this.version += 1;
    this.moveTo(seq);
    for (const listener of this.eventListeners) listener(event, seq);
  }

  private moveTo(seq: number): void {
    if (this.cursor !== null && seq > this.cursor.seq) this.cursor = { ...this.cursor, seq };
  }

  private changed(): void {
    for (const listener of [...this.changeListeners]) listener();
  }
}

/** The key of an item of a snapshot. */
function keyOf(topic: string, item: unknown): string {
  if (typeof item !== 'object' || item === null) return '';
  if (topic === 'stats') return 'minute' in item ? String(item.minute) : '';
  if (topic.startsWith('call:')) return topic.slice('call:'.length);
  return 'id' in item ? String(item.id) : '';
}

function applyEvent(topic: string, items: Map<string, unknown>, event: LiveEvent): void {
  if (topic.startsWith('call:')) {
    applyToCall(topic.slice('call:'.length), items, event);
    return;
  }
  if (event.stats !== undefined) items.set(event.stats.minute, event.stats);
  if (event.message !== undefined) items.set(event.message.id, event.message);
  if (event.left === true && event.callId !== undefined) items.delete(event.callId);
  if (event.call !== undefined) {
    if (event.call.mergedInto === null) items.set(event.call.id, event.call);
    else items.delete(event.call.id);
  }
  for (const gone of event.removed ?? []) items.delete(gone);
}

function applyToCall(callId: string, items: Map<string, unknown>, event: LiveEvent): void {
  const before = items.get(callId) as CallDetailItem | undefined;
  const call = event.call ?? before?.call;
  if (call === undefined) return;
  const entries = new Map<string, TimelineItem>();
  for (const entry of before?.entries ?? []) entries.set(entry.id, entry);
  for (const entry of event.entries ?? []) entries.set(entry.id, entry);
  for (const gone of event.removed ?? []) entries.delete(gone);
  const sorted = [...entries.values()].sort(
    (a, b) => compare(a.order, b.order) || compare(a.id, b.id),
  );
  items.set(callId, { call, entries: sorted } satisfies CallDetailItem);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
