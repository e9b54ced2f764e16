// End to end: the public protocol as a client outside of the product speaks it: the SDK over real
// WebSockets, and pages of the query API.

import { expect } from 'vitest';
import { WebSocket } from 'ws';

import { LiveClient, type WebSocketLike } from '../../gateway/web/client.js';
import type { CallItem, MessageItem, TimelineItem } from '../../schemas/live-frames.js';

/** Who asks, and where. */
export interface Caller {
  readonly url: string;
  readonly token: string;
}

/** A client of the stream; `url` may change while it lives, as a server that moves does. */
export function openLive(
  where: { readonly url: string },
  token: () => Promise<string>,
  createSocket: (url: string) => WebSocketLike = (url) => new WebSocket(url),
): LiveClient {
  return new LiveClient({
    url: 'ws://moves',
    token,
    createSocket: () => createSocket(`${where.url.replace(/^http/, 'ws')}/v1/stream`),
    backOff: { shortestMs: 20, longestMs: 300 },
  });
}

export function get({ url, token }: Caller, path: string): Promise<Response> {
  return fetch(url + path, { headers: { authorization: `Bearer ${token}` } });
}

interface Page<Item> {
  readonly data: readonly Item[];
  readonly page: { readonly next: string | null };
  readonly asOf: { readonly epoch: string; readonly seq: number };
}

export interface Listing<Item> {
  readonly items: readonly Item[];
  /** Position of the first page. */
  readonly asOf: { readonly epoch: string; readonly seq: number };
}

async function list<Item>(caller: Caller, path: string): Promise<Listing<Item>> {
  const items: Item[] = [];
  let asOf: Listing<Item>['asOf'] | null = null;
  for (let cursor = ''; ;) {
    const answer = await get(caller, `${path}?limit=200${cursor}`);
    const text = await answer.text();
    expect(answer.status, text).toBe(200);
    const page = JSON.parse(text) as Page<Item>;
    asOf ??= page.asOf;
    items.push(...page.data);
    if (page.page.next === null) return { items, asOf };
    cursor = `&cursor=${page.page.next}`;
  }
}

export const listCalls = (caller: Caller): Promise<Listing<CallItem>> => list(caller, '/v1/calls');

export const listMessages = (caller: Caller): Promise<Listing<MessageItem>> =>
  list(caller, '/v1/messages');

/** A call's whole timeline. */
export const listEntries = (caller: Caller, callId: string): Promise<Listing<TimelineItem>> =>
  list(caller, `/v1/calls/${callId}/events`);

/** A token of the demo tenant, as the page gets it. */
export async function demoToken(url: string): Promise<string> {
  const answer = await fetch(`${url}/v1/demo/session`);
  return ((await answer.json()) as { token: string }).token;
}
