// Ingest, providers: what the files of senders that tell of members, subscriptions and other objects build
// their facts of. A record always names its object: where a delivery names none, it is its own.

import type { ProviderFact, RecordArea, RecordFact } from '../../schemas/facts.js';
import type { FactId } from '../../schemas/ids.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import {
  bytesId,
  identify,
  millis,
  orderOf,
  reference,
  safeName,
  sourceOf,
  type FactSource,
} from './fact-base.js';
import { objectField, textField, type JsonObject } from './json.js';

/** An event of a delivery, read as far as every sender's events are alike. */
export interface RecordEvent {
  readonly source: FactSource;
  readonly factId: FactId;
  /** The sender's own name of it, e.g. `organizationMembership.created`. */
  readonly type: string;
  /** When it happened, in microseconds; null where nothing says so. */
  readonly atUs: number | null;
}

/** The identity of a delivery's event; where it has no id of its own, its bytes name it. */
export function eventFactId(delivery: VerifiedDelivery, id: string | null, type: string): FactId {
  const external = id === null ? ['body', bytesId(delivery.raw.body)] : ['event', id];
  return identify(sourceOf(delivery), external, type);
}

/** What a sender's file knows of a record beside its event. */
export interface RecordParts {
  readonly area: RecordArea;
  /** Without the area, e.g. `user_created`. */
  readonly what: string;
  readonly objectType: string;
  readonly objectRef: string | null;
  readonly parentRef?: string | null;
  readonly status?: string | null;
  readonly deleted?: boolean;
  readonly details?: RecordFact['details'];
  readonly about?: RecordFact['about'];
  readonly personal?: RecordFact['personal'];
  /** Place among events of the same moment. */
  readonly rank?: number;
}

const isFirst = /(?:^|[._])created$/;

/**
 * A record's fact. Its creation stands before everything, its deletion after: some senders tell whole seconds,
 * and nobody promises an order of arrival.
 */
export function recordFact(event: RecordEvent, parts: RecordParts): ProviderFact {
  const { source, factId, type, atUs } = event;
  const { area, what, objectType, objectRef, deleted = false, rank = 0 } = parts;
  const phase = deleted ? 2 : isFirst.test(what) ? 0 : 1;
  return {
    kind: 'record',
    factId,
    eventType: type,
    occurredAt: millis(atUs),
    order: orderOf(source, phase, atUs, rank),
    area,
    event: `${area}.${what}`,
    objectType,
    objectRef: objectRef ?? factId,
    parentRef: parts.parentRef ?? null,
    status: parts.status ?? null,
    deleted,
    details: parts.details ?? {},
    about: parts.about ?? null,
    personal: parts.personal ?? {},
  };
}

/** `organizationMembership.created` → `organization_membership_created`. */
export const snakeCase = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toLowerCase();

const maxPersonalChars = 512;

/** Values about people, by name: without those that are not there, and cut where they are no use any more. */
export function personalOf(
  values: Readonly<Record<string, string | null | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]): [string, string][] =>
      value === null || value === undefined || value === ''
        ? []
        : [[name, value.slice(0, maxPersonalChars)]],
    ),
  );
}

/** A provider's id of an object. Digits alone may be a telephone or a card number, and are none. */
export const objectId = (text: string | null | undefined): string | null =>
  /^[\d:.-]+$/.test(text ?? '') ? null : reference(text);

/** The reference in a field that holds either an id or the whole object with that id. */
export const referenceField = (object: JsonObject | null, name: string): string | null =>
  objectId(textField(object, name)) ?? objectId(textField(objectField(object, name), 'id'));

/** A true or false field; null for anything else. */
export function flagField(object: JsonObject | null, name: string): boolean | null {
  const value = object !== null && Object.hasOwn(object, name) ? object[name] : null;
  return typeof value === 'boolean' ? value : null;
}

/** A whole number of any sign, e.g. an amount in cents; null for anything else. */
export function amountField(object: JsonObject | null, name: string): number | null {
  const value = object !== null && Object.hasOwn(object, name) ? object[name] : null;
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}

/** A word of a field, e.g. a status. */
export const wordField = (object: JsonObject | null, name: string): string | null =>
  safeName(textField(object, name));
