// Ingest, providers, Telnyx: the envelope every webhook comes in (provider sheet 4b), read once.

import type { FactId } from '../../schemas/ids.js';
import { identify, isoMicros, reference, safeName, type FactSource } from './fact-base.js';
import { asObject, objectField, parseJson, textField, type JsonObject } from './json.js';

/** A Telnyx event; `id` stays the same over retries, while `meta.attempt` and signature change. */
export interface TelnyxEvent {
  readonly source: FactSource;
  readonly id: string;
  readonly type: string;
  readonly atUs: number | null;
  readonly payload: JsonObject;
  readonly factId: FactId;
}

/** The event of a body; null when it is not the envelope of one. */
export function readTelnyxEvent(source: FactSource, body: Buffer): TelnyxEvent | null {
  const data = objectField(asObject(parseJson(body)), 'data');
  const payload = objectField(data, 'payload');
  const id = reference(textField(data, 'id'));
  const type = safeName(textField(data, 'event_type'));
  if (payload === null || id === null || type === null) return null;
  const atUs = isoMicros(textField(data, 'occurred_at'));
  return { source, id, type, atUs, payload, factId: identify(source, ['event', id], type) };
}
