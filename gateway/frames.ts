// Gateway: frames as text. In: JSON that was made once for each event and view. Out: the frames of
// schemas/live-frames, put together without serialising an event twice; and client frames, parsed.

import { z } from 'zod';

import type { ClientFrame, ServerFrame } from '../schemas/live-frames.js';

/** Every server frame but `event`, whose JSON is made once and shared (see `eventFrame`). */
export type PlainFrame = Exclude<ServerFrame, { readonly type: 'event' }>;

export const encodeFrame = (frame: PlainFrame): string => JSON.stringify(frame);

/** An event frame around the shared JSON of the event. `idJson` is the subscription id as JSON. */
export const eventFrame = (idJson: string, seq: number, eventJson: string): string =>
  `{"type":"event","id":${idJson},"seq":${seq},"event":${eventJson}}`;

/** The shared JSON of an event, marked as standing for `folded` earlier ones too. */
export const conflatedJson = (eventJson: string, folded: number): string =>
  folded === 0 ? eventJson : `${eventJson.slice(0, -1)},"conflated":${folded}}`;

/** Says that a call is not, or no longer, in the filter of a subscription. */
export const leftJson = (callId: string, mergedFrom: string | null): string =>
  JSON.stringify({
    type: 'call.left',
    callId,
    left: true,
    ...(mergedFrom === null ? {} : { removed: [mergedFrom] }),
  });

const subscriptionId = z.string().min(1).max(128);
/** What a client may send. */
export const clientFrame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('auth'), token: z.string().min(1) }),
  z.object({ type: z.literal('refresh'), token: z.string().min(1) }),
  z.object({
    type: z.literal('subscribe'),
    id: subscriptionId,
    topic: z.string().min(1).max(256),
    filter: z.record(z.string(), z.string()).optional(),
    since: z
      .object({ epoch: z.string().min(1).max(128), seq: z.number().int().nonnegative() })
      .optional(),
  }),
  z.object({ type: z.literal('unsubscribe'), id: subscriptionId }),
  z.object({ type: z.literal('ping') }),
]);
const frameTypes: ReadonlySet<string> = new Set([
  'auth',
  'refresh',
  'subscribe',
  'unsubscribe',
  'ping',
]);

/** Longest client frame in characters; clients send small commands. */
export const maxClientFrame = 16 * 1024;

export type ParsedFrame =
  | { readonly ok: true; readonly frame: ClientFrame }
  | {
      readonly ok: false;
      readonly code: 'frame_invalid' | 'frame_unknown' | 'frame_too_large';
      /** Names the fault without repeating what was sent. */
      readonly detail: string;
      readonly id: string | null;
    };

/** Reads what a client sent. */
export function parseClientFrame(text: string): ParsedFrame {
  if (text.length > maxClientFrame) {
    return fault('frame_too_large', `a frame holds at most ${maxClientFrame} characters`);
  }
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || !('type' in value)) {
    return fault('frame_invalid', 'a frame is a JSON object with a type');
  }
  if (typeof value.type !== 'string' || !frameTypes.has(value.type)) {
    return fault('frame_unknown', `known types: ${[...frameTypes].join(', ')}`);
  }
  const parsed = clientFrame.safeParse(value);
  if (parsed.success) return { ok: true, frame: parsed.data };
  const where = parsed.error.issues[0]?.path.map(String).join('.') ?? '';
  const id = 'id' in value && typeof value.id === 'string' ? value.id.slice(0, 128) : null;
  return { ...fault('frame_invalid', `not valid at: ${where.slice(0, 64) || 'frame'}`), id };
}

function fault(code: 'frame_invalid' | 'frame_unknown' | 'frame_too_large', detail: string) {
  return { ok: false as const, code, detail, id: null };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
