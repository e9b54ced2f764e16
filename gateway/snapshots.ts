// Gateway: the beginning of a subscription. In: what is asked for. Out: items and the position they
// stand at, from one transaction, as JSON pages that all who ask at the same time share.

import type { KeyRing } from '../runtime/keys.js';
import { asTenant, type Database, type Transaction } from '../runtime/postgres.js';
import type { CallView } from '../schemas/call-state.js';
import type { TenantId } from '../schemas/ids.js';
import type { Interest } from './fan-out.js';
import {
  readCall,
  readCalls,
  readMessages,
  readPosition,
  readRecords,
  readTimeline,
  type ModelVersions,
  type PageStart,
  type Position,
  type ServedModel,
} from './read-models.js';
import { activeStatuses, type Topic } from './topics.js';
import {
  boxesOfCall,
  boxesOfMessage,
  boxesOfRecord,
  callItem,
  masked,
  messageItem,
  openBoxes,
  recordItem,
  timelineItem,
  toJson,
  type Box,
  type Opened,
} from './views.js';

/** Items at a position. Pages are JSON arrays; at least one, maybe empty. */
export interface Snapshot extends Position {
  readonly pages: readonly string[];
}

/** What reading the read models takes; shared with the HTTP routes. */
export interface ReadModels {
  readonly database: Database;
  readonly keyRing: KeyRing;
  readonly versions: ModelVersions;
  readonly partitionOf: (tenant: TenantId) => number;
}

/** Items of one page: small enough that a slow reader is noticed between two pages. */
const pageItems = 100;
/** Calls that ended, newest first, beside all that go on; messages and records likewise. */
const recentItems = 200;
const maxTimelineItems = 2_000;
/** How long a snapshot may serve others: the ring has what came since. */
const shareMs = 250;

const modelsOf: Readonly<Record<Exclude<Topic['kind'], 'stats'>, readonly ServedModel[]>> = {
  calls: ['calls', 'legs'],
  call: ['calls', 'legs', 'call_timeline'],
  messages: ['messages'],
  records: ['records'],
};

/** Reads snapshots; those that are alike and asked for at the same time are read once. */
export function createSnapshots(
  models: ReadModels,
  clock: () => number,
): (interest: Interest) => Promise<Snapshot> {
  const recent = new Map<string, { readonly at: number; readonly snapshot: Promise<Snapshot> }>();
  return (interest) => {
    const { tenant, topic, filter, view } = interest;
    const about = topic.kind === 'call' ? `call:${topic.callId}` : topic.kind;
    const key = `${tenant}\n${view}\n${about}\n${filter.key}`;
    const now = clock();
    for (const [name, { at }] of recent) if (now - at > shareMs) recent.delete(name);
    const known = recent.get(key);
    if (known !== undefined) return known.snapshot;
    const snapshot = readSnapshot(models, interest);
    recent.set(key, { at: now, snapshot });
    snapshot.catch(() => recent.delete(key));
    return snapshot;
  };
}

async function readSnapshot(models: ReadModels, interest: Interest): Promise<Snapshot> {
  const { tenant, topic } = interest;
  const { versions } = models;
  if (topic.kind === 'stats') throw new TypeError('statistics have a feed of their own');
  const about = { tenant, partition: models.partitionOf(tenant), versions };
  const read = await asTenant(models.database, tenant, async (transaction) => ({
    position: await readPosition(transaction, about, modelsOf[topic.kind]),
    pages: await readPages(models, transaction, interest),
  }));
  const pages: string[] = [];
  for (const page of read.pages) pages.push(await page());
  return { ...read.position, pages: pages.length === 0 ? ['[]'] : pages };
}

/** Makes the JSON of a page that was read: after the transaction, because opening may need another. */
type Page = () => Promise<string>;

function readPages(
  models: ReadModels,
  transaction: Transaction,
  interest: Interest,
): Promise<Page[]> {
  const { topic } = interest;
  switch (topic.kind) {
    case 'calls':
      return callPages(models, transaction, interest);
    case 'call':
      return callPage(models, transaction, interest, topic.callId);
    case 'messages':
      return messagePages(models, transaction, interest);
    case 'records':
      return recordPages(models, transaction, interest);
    case 'stats':
      return Promise.resolve([]);
  }
}

/** Every call that goes on, and the newest that ended, as far as the filter wants them. */
async function callPages(
  models: ReadModels,
  transaction: Transaction,
  interest: Interest,
): Promise<Page[]> {
  const { tenant, filter } = interest;
  const wanted = (status: string): boolean => filter.statuses?.has(status) ?? true;
  const direction = filter.direction === null ? {} : { direction: directionOf(filter.direction) };
  const active = { ...direction, statuses: activeStatuses.filter(wanted) };
  const pages: Page[] = [];
  let start: PageStart | null = null;
  for (;;) {
    if (active.statuses.length === 0) break;
    const calls: readonly CallView[] = await readCalls(transaction, tenant, active, {
      limit: pageItems,
      start,
    });
    if (calls.length > 0) pages.push(() => callsJson(models, interest, calls));
    const last = calls.at(-1);
    if (last === undefined || calls.length < pageItems) break;
    start = { at: last.startedAt, id: last.callId };
  }
  const ended = { ...direction, statuses: ['completed', 'failed'].filter(wanted) };
  if (ended.statuses.length === 0) return pages;
  const calls = await readCalls(transaction, tenant, ended, { limit: recentItems, start: null });
  if (calls.length > 0) pages.push(() => callsJson(models, interest, calls));
  return pages;
}

const directionOf = (text: string): 'inbound' | 'outbound' =>
  text === 'inbound' ? 'inbound' : 'outbound';

async function callsJson(
  models: ReadModels,
  { tenant, view }: Interest,
  calls: readonly CallView[],
): Promise<string> {
  const boxes = view === 'open' ? calls.flatMap((call) => boxesOfCall(tenant, call)) : [];
  const opened = await openFor(models, tenant, boxes);
  return toJson(calls.map((call) => callItem(call, opened)));
}

async function callPage(
  models: ReadModels,
  transaction: Transaction,
  { tenant, view }: Interest,
  callId: string,
): Promise<Page[]> {
  const call = await readCall(transaction, tenant, callId);
  if (call === null) return [];
  const page = { limit: maxTimelineItems, start: null };
  const entries = await readTimeline(transaction, { tenant, callId }, page);
  const boxes = view === 'open' ? boxesOfCall(tenant, call) : [];
  return [
    async () => {
      const opened = await openFor(models, tenant, boxes);
      return toJson([{ call: callItem(call, opened), entries: entries.map(timelineItem) }]);
    },
  ];
}

async function messagePages(
  models: ReadModels,
  transaction: Transaction,
  { tenant, view }: Interest,
): Promise<Page[]> {
  const page = { limit: recentItems, start: null };
  const messages = await readMessages(transaction, tenant, {}, page);
  const boxes = view === 'open' ? messages.flatMap((one) => boxesOfMessage(tenant, one)) : [];
  return [
    async () => {
      const opened = await openFor(models, tenant, boxes);
      return toJson(messages.map((message) => messageItem(message, opened)));
    },
  ];
}

async function recordPages(
  models: ReadModels,
  transaction: Transaction,
  { tenant, view }: Interest,
): Promise<Page[]> {
  const records = await readRecords(transaction, tenant, {}, { limit: recentItems, start: null });
  const boxes = view === 'open' ? records.flatMap((one) => boxesOfRecord(tenant, one)) : [];
  return [
    async () => {
      const opened = await openFor(models, tenant, boxes);
      return toJson(records.map((record) => recordItem(record, opened)));
    },
  ];
}

function openFor(models: ReadModels, tenant: TenantId, boxes: readonly Box[]): Promise<Opened> {
  return boxes.length === 0 ? Promise.resolve(masked) : openBoxes(models.keyRing, tenant, boxes);
}
