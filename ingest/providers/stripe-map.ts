// Ingest, providers, Stripe: its events as records of the area `billing` (provider sheet, section 8). The
// object in an event is a whole one as it stood then; thin events (`v2.core.event`) name theirs only.

import type { ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import {
  bytesId,
  isoMicros,
  known,
  notUnderstood,
  safeName,
  sourceOf,
  type Details,
} from './fact-base.js';
import { asObject, listField, objectField, parseJson, textField, type JsonObject } from './json.js';
import {
  amountField,
  eventFactId,
  flagField,
  objectId,
  personalOf,
  recordFact,
  referenceField,
  snakeCase,
  wordField,
  type RecordEvent,
} from './record-base.js';

/**
 * Where a status stands in the life of its object. Stripe tells whole seconds, and a subscription is created,
 * paid and active within one of them.
 */
const ranks: Readonly<Record<string, number>> = {
  ...{ incomplete: 1, draft: 1, requires_payment_method: 1, trialing: 2, open: 2, pending: 2 },
  ...{ requires_confirmation: 2, requires_action: 3, processing: 4, active: 5, past_due: 6 },
  ...{ unpaid: 7, paused: 7, uncollectible: 7, paid: 8, succeeded: 8, void: 8, failed: 8 },
  ...{ canceled: 9, incomplete_expired: 9 },
};

const rankOf = (status: string | null): number =>
  status !== null && Object.hasOwn(ranks, status) ? (ranks[status] ?? 0) : 0;

/** `customer.subscription.updated` → `subscription_updated`: a customer's things are things of their own. */
function whatOf(type: string): string {
  const parts = type.replace(/^v\d+\./, '').split('.');
  const own = parts.length > 2 && ['customer', 'core', 'billing'].includes(parts[0] ?? '');
  return snakeCase((own ? parts.slice(1) : parts).join('_'));
}

const flags = ['charges_enabled', 'payouts_enabled', 'details_submitted', 'cancel_at_period_end'];
const amounts = [
  ...['amount', 'amount_paid', 'amount_due', 'amount_remaining', 'amount_refunded', 'total'],
  ...['attempt_count', 'quantity', 'current_period_end', 'trial_end', 'cancel_at'],
];
const words = ['currency', 'billing_reason', 'collection_method', 'type', 'reason'];
const references = ['subscription', 'invoice', 'payment_intent', 'charge', 'product'];

const camelCase = (name: string): string =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** What is worth showing of an object and says nothing about anybody. */
function detailsOf(event: JsonObject, object: JsonObject): Details {
  const [item = null] = listField(objectField(object, 'items'), 'data').map(asObject);
  const read = <T>(names: readonly string[], field: (object: JsonObject, name: string) => T) =>
    Object.fromEntries(names.map((name) => [camelCase(name), field(object, name)]));
  return known<string | number | boolean>({
    ...read(flags, flagField),
    ...read(words, wordField),
    ...read(references, referenceField),
    quantity: amountField(item, 'quantity'),
    currentPeriodEnd: amountField(item, 'current_period_end'),
    priceId: referenceField(item, 'price'),
    ...known(read(amounts, amountField)),
    account: objectId(textField(event, 'account')),
    livemode: flagField(event, 'livemode'),
    apiVersion: objectId(textField(event, 'api_version')),
  });
}

const personalFields = (object: JsonObject): Record<string, string> =>
  personalOf({
    email: textField(object, 'email') ?? textField(object, 'customer_email'),
    name: textField(object, 'name') ?? textField(object, 'customer_name'),
    phone: textField(object, 'phone') ?? textField(object, 'customer_phone'),
    receiptEmail: textField(object, 'receipt_email'),
  });

function snapshotFact(of: RecordEvent, event: JsonObject, object: JsonObject): ProviderFact {
  const objectType = wordField(object, 'object') ?? 'object';
  const objectRef = objectId(textField(object, 'id'));
  const customer = referenceField(object, 'customer');
  const status = wordField(object, 'status');
  return recordFact(of, {
    area: 'billing',
    what: whatOf(of.type),
    objectType,
    objectRef,
    parentRef: customer,
    status,
    deleted: of.type.endsWith('.deleted') || flagField(object, 'deleted') === true,
    details: detailsOf(event, object),
    about: customer === null ? null : { objectType: 'customer', objectRef: customer },
    personal: personalFields(object),
    rank: rankOf(status),
  });
}

/** A thin event: what happened, and to which object. */
function thinFact(of: RecordEvent, event: JsonObject): ProviderFact {
  const related = objectField(event, 'related_object');
  return recordFact(of, {
    area: 'billing',
    what: whatOf(of.type),
    objectType: snakeCase(wordField(related, 'type')?.replace(/^v\d+\.(core\.)?/, '') ?? 'event'),
    objectRef: objectId(textField(related, 'id')),
    deleted: of.type.endsWith('.deleted'),
    details: known({
      account: objectId(textField(event, 'context')),
      livemode: flagField(event, 'livemode'),
    }),
  });
}

/** The record that one delivery tells of. */
export function mapStripe(delivery: VerifiedDelivery): readonly [ProviderFact] {
  const source = sourceOf(delivery);
  const event = asObject(parseJson(delivery.raw.body));
  const type = safeName(textField(event, 'type'));
  if (event === null || type === null) {
    const externalId = ['body', bytesId(delivery.raw.body)];
    return [notUnderstood(source, { reason: 'a body that is not a Stripe event', externalId })];
  }
  const seconds = amountField(event, 'created');
  const object = objectField(objectField(event, 'data'), 'object');
  const of = {
    source,
    factId: eventFactId(delivery, objectId(textField(event, 'id')), type),
    type,
    atUs: seconds === null ? isoMicros(textField(event, 'created')) : seconds * 1_000_000,
  };
  return [object === null ? thinFact(of, event) : snapshotFact(of, event, object)];
}
