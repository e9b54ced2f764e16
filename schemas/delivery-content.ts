// What travels sealed in a record of `deliveries`: facts and the delivery they came from, as bytes. Made by
// log/fact-record, read by processors. Lists without names and the body as it came: every byte is sealed,
// summed and stored once per delivery.
//
//   version u8 | length u32 (big-endian) | JSON of that length | body

import type { CallSignal, DeliveryContent, KeptDelivery, SourceFact } from './facts.js';

const version = 1;
const headBytes = 5;

/** Content whose raw half was read; nobody has looked at the shape of its facts yet. */
export interface DecodedContent {
  readonly facts: readonly unknown[];
  readonly raw: KeptDelivery;
}

/**
 * The bytes of a content. Where they fit into `scratch` they are written there and stay until it is used
 * again: for a caller that seals them at once.
 */
export function encodeContent({ facts, raw }: DeliveryContent, scratch?: Buffer): Buffer {
  const { method, url, headers, omitted } = raw;
  const lists = facts.map(factList);
  const kept = omitted === undefined ? [] : [[omitted.sha256, omitted.bytes]];
  const json = JSON.stringify([lists, method, url, headers, ...kept]);
  const length = Buffer.byteLength(json);
  const total = headBytes + length + raw.body.length;
  const fits = scratch !== undefined && total <= scratch.length;
  const bytes = fits ? scratch.subarray(0, total) : Buffer.allocUnsafe(total);
  bytes[0] = version;
  bytes.writeUInt32BE(length, 1);
  bytes.write(json, headBytes);
  bytes.set(raw.body, headBytes + length);
  return bytes;
}

/** Reads what `encodeContent` made; null for anything else. The body is a view, not a copy. */
export function decodeContent(bytes: Buffer): DecodedContent | null {
  if (bytes.length < headBytes || bytes[0] !== version) return null;
  const end = headBytes + bytes.readUInt32BE(1);
  const parsed = end <= bytes.length ? parseJson(bytes.toString('utf8', headBytes, end)) : null;
  if (!Array.isArray(parsed)) return null;
  const [lists, method, url, headers, omitted] = parsed as readonly unknown[];
  if (!Array.isArray(lists) || typeof method !== 'string' || typeof url !== 'string') return null;
  if (typeof headers !== 'object' || headers === null) return null;
  const facts = lists.map((list: unknown) => (Array.isArray(list) ? factOf(list) : null));
  const kept = headers as Readonly<Record<string, string>>;
  const body = bytes.subarray(end);
  return { facts, raw: { method, url, headers: kept, body, ...omittedOf(omitted) } };
}

function omittedOf(value: unknown): Pick<KeptDelivery, 'omitted'> {
  const [sha256, bytes] = Array.isArray(value) ? (value as List) : [];
  return typeof sha256 === 'string' && typeof bytes === 'number'
    ? { omitted: { sha256, bytes } }
    : {};
}

/** JSON or null; the parser's own message would quote the content. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

type List = readonly unknown[];

function factList(fact: SourceFact): List {
  const { factId, eventType, occurredAt, order } = fact;
  const base = [factId, eventType, occurredAt, order.phase, order.atUs, order.seq] as const;
  switch (fact.kind) {
    case 'call': {
      const { legRef, parentRef, sessionRef, direction, signal, durationSec } = fact;
      const leg = [legRef, parentRef, sessionRef, direction, signalList(signal), durationSec];
      const { providerCode, details, from, to, personal } = fact;
      return ['c', ...base, ...leg, providerCode, details, from, to, personal];
    }
    case 'message': {
      const { messageRef, direction, status, providerStatus, providerCode, optOut } = fact;
      const message = [messageRef, direction, status, providerStatus, providerCode, optOut];
      const { details, from, to, body, personal } = fact;
      return ['m', ...base, ...message, details, from, to, body, personal];
    }
    case 'record': {
      const { area, event, objectType, objectRef, parentRef, status, deleted, details } = fact;
      const record = [area, event, objectType, objectRef, parentRef, status, deleted, details];
      const about = fact.about === null ? null : [fact.about.objectType, fact.about.objectRef];
      return ['r', ...base, ...record, about, fact.personal];
    }
    case 'not_understood':
      return ['n', ...base, fact.legRef, fact.reason];
    case 'act':
      return ['a', ...base, fact.act, fact.about, fact.actor, fact.reason];
    case 'timer': {
      const { callId, name, timerId, since, status, reason } = fact;
      return ['t', ...base, callId, name, timerId, since, status, reason];
    }
  }
}

function signalList(signal: CallSignal): List {
  switch (signal.type) {
    case 'status':
      return ['s', signal.status, signal.cause, signal.reason];
    case 'hangup':
      return ['h', signal.cause];
    case 'note':
      return ['n', signal.name];
  }
}

/** The fields of a fact by the names of schemas/facts; null for a kind of another version. */
function factOf(list: List): unknown {
  const [kind, factId, eventType, occurredAt, phase, atUs, seq, ...rest] = list;
  const base = { factId, eventType, occurredAt, order: { phase, atUs, seq } };
  switch (kind) {
    case 'c': {
      const [legRef, parentRef, sessionRef, direction, signal, durationSec] = rest;
      const [providerCode, details, from, to, personal] = rest.slice(6);
      const leg = { legRef, parentRef, sessionRef, direction, signal: signalOf(signal) };
      const more = { durationSec, providerCode, details, from, to, personal };
      return { kind: 'call', ...base, ...leg, ...more };
    }
    case 'm': {
      const [messageRef, direction, status, providerStatus, providerCode, optOut] = rest;
      const [details, from, to, body, personal] = rest.slice(6);
      const message = { messageRef, direction, status, providerStatus, providerCode, optOut };
      return { kind: 'message', ...base, ...message, details, from, to, body, personal };
    }
    case 'r': {
      const [area, event, objectType, objectRef, parentRef, status, deleted] = rest;
      const [details, whom, personal] = rest.slice(7);
      const about = aboutOf(whom);
      const object = { area, event, objectType, objectRef, parentRef, status, deleted };
      return { kind: 'record', ...base, ...object, details, about, personal };
    }
    case 'n': {
      const [legRef, reason] = rest;
      return { kind: 'not_understood', ...base, legRef, reason };
    }
    case 'a': {
      const [act, about, actor, reason] = rest;
      return { kind: 'act', ...base, act, about, actor, reason };
    }
    case 't': {
      const [callId, name, timerId, since, status, reason] = rest;
      return { kind: 'timer', ...base, callId, name, timerId, since, status, reason };
    }
    default:
      return null;
  }
}

function aboutOf(list: unknown): unknown {
  if (!Array.isArray(list)) return null;
  const [objectType, objectRef] = list as List;
  return { objectType, objectRef };
}

function signalOf(list: unknown): unknown {
  const [type, first, cause, reason] = Array.isArray(list) ? (list as List) : [];
  switch (type) {
    case 's':
      return { type: 'status', status: first, cause, reason };
    case 'h':
      return { type: 'hangup', cause: first };
    case 'n':
      return { type: 'note', name: first };
    default:
      return null;
  }
}
