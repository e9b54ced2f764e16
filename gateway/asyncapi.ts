// Gateway: /asyncapi.json. In: the frames of the stream as zod schemas. Out: an AsyncAPI 3.0 document of
// `GET /v1/stream`; items and events are the schemas of the query API.

import { z } from 'zod';

import type { ServerFrame } from '../schemas/live-frames.js';
import { clientFrame } from './frames.js';
import {
  callSchema,
  cursorSchema,
  eventSchema,
  messageSchema,
  recordSchema,
  statsSchema,
  timelineSchema,
} from './routes/items.js';

const id = z.string();
const liveEvent = eventSchema.extend({
  stats: statsSchema.optional(),
  left: z.boolean().optional(),
  conflated: z.number().int().optional(),
});
const item = z.union([
  callSchema,
  messageSchema,
  recordSchema,
  statsSchema,
  z.object({ call: callSchema, entries: z.array(timelineSchema) }),
]);

/** Every server frame and when it comes. */
const serverFrames = {
  ready: [
    'The credential is accepted; subscriptions are taken from now on.',
    z.object({
      type: z.literal('ready'),
      epoch: z.string(),
      tenant: z.string(),
      expiresAt: z.string().nullable(),
      heartbeatMs: z.number(),
    }),
  ],
  snapshot: [
    'What stands at `asOf`; in pages while `more` is true.',
    z.object({
      type: z.literal('snapshot'),
      id,
      asOf: cursorSchema,
      items: z.array(item),
      more: z.boolean(),
    }),
  ],
  event: [
    'One event after the snapshot or the cursor; each seq once, in order.',
    z.object({ type: z.literal('event'), id, seq: z.number().int(), event: liveEvent }),
  ],
  live: [
    'Everything up to `seq` was sent; what follows is as it happens.',
    z.object({ type: z.literal('live'), id, seq: z.number().int() }),
  ],
  heartbeat: [
    'Every `heartbeatMs`: how far each subscription is, so that a client can prove it missed nothing.',
    z.object({
      type: z.literal('heartbeat'),
      tops: z.record(z.string(), z.number().int()),
      sent: z.record(z.string(), z.number().int()),
      at: z.string(),
    }),
  ],
  pong: ['The answer to a ping.', z.object({ type: z.literal('pong') })],
  resync: [
    'The subscription cannot go on from where it was; a fresh snapshot follows.',
    z.object({
      type: z.literal('resync'),
      id,
      reason: z.enum(['epoch', 'too_old', 'gap', 'slow']),
    }),
  ],
  drain: [
    'This node stops; come back after `retryInMs` with the cursor.',
    z.object({ type: z.literal('drain'), retryInMs: z.number() }),
  ],
  error: [
    'A frame was refused; `code` is stable.',
    z.object({
      type: z.literal('error'),
      code: z.string(),
      detail: z.string(),
      id: z.string().optional(),
    }),
  ],
} as const satisfies Readonly<Record<ServerFrame['type'], readonly [string, z.ZodObject]>>;

/** The document. */
export function asyncApi(version: string): object {
  const sent = Object.entries(serverFrames).map(([name, [summary, schema]]) => ({
    name,
    summary,
    payload: z.toJSONSchema(schema, { io: 'output' }),
  }));
  const taken = clientFrame.options.map((option) => ({
    name: option.shape.type.value,
    summary: clientSummaries[option.shape.type.value],
    payload: z.toJSONSchema(option, { io: 'input' }),
  }));
  const messages = Object.fromEntries([...sent, ...taken].map((one) => [one.name, one]));
  const refs = (list: readonly { readonly name: string }[]) =>
    list.map(({ name }) => ({ $ref: `#/channels/stream/messages/${name}` }));
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Trunkline stream',
      version,
      description:
        'Live calls, messages, records and statistics of a tenant, without gap or duplicate.',
    },
    defaultContentType: 'application/json',
    channels: {
      stream: {
        address: '/v1/stream',
        description: 'A WebSocket of JSON text frames; see docs/stream.md.',
        messages,
        bindings: { ws: { method: 'GET' } },
      },
    },
    operations: {
      send: { action: 'send', channel: { $ref: '#/channels/stream' }, messages: refs(sent) },
      receive: { action: 'receive', channel: { $ref: '#/channels/stream' }, messages: refs(taken) },
    },
  };
}

const clientSummaries = {
  auth: 'A token or API key, as the first frame when no header carried one; within 5 s.',
  refresh: 'A fresh token before the present one expires.',
  subscribe: 'Begin a subscription; with `since`, go on after a cursor.',
  unsubscribe: 'End a subscription.',
  ping: 'Ask for a pong.',
} as const;
