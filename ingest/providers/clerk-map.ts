// Ingest, providers, Clerk: its events as records of the area `organisation`, and of `billing` for what it
// sells (provider sheet, section 7). A deletion carries the id alone.

import type { ProviderFact, RecordArea, RecordFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { bytesId, known, notUnderstood, safeName, sourceOf } from './fact-base.js';
import {
  asObject,
  listField,
  numberField,
  objectField,
  parseJson,
  textField,
  type JsonObject,
} from './json.js';
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
  type RecordParts,
} from './record-base.js';

/** What one family of events is about, and what it says beside its name. */
interface Family {
  readonly area: RecordArea;
  readonly objectType: string;
  /** The last part of our name where it is not the object and Clerk's verb: `member_added`. */
  readonly verbs?: Readonly<Record<string, string>>;
  read(data: JsonObject): Partial<RecordParts>;
}

const user = (ref: string | null): RecordFact['about'] =>
  ref === null ? null : { objectType: 'user', objectRef: ref };

/** The value whose id another field names, e.g. the primary address among all. */
function primaryOf(data: JsonObject, list: string, field: string, primary: string): string | null {
  const wanted = textField(data, primary);
  const values = listField(data, list).map(asObject);
  const found = values.find((one) => textField(one, 'id') === wanted) ?? values[0] ?? null;
  return textField(found, field);
}

function readUser(data: JsonObject): Partial<RecordParts> {
  const isBanned = flagField(data, 'banned') === true;
  const isLocked = flagField(data, 'locked') === true;
  const isKnown = Object.hasOwn(data, 'email_addresses') || Object.hasOwn(data, 'banned');
  return {
    status: isBanned ? 'banned' : isLocked ? 'locked' : isKnown ? 'active' : null,
    personal: personalOf({
      email: primaryOf(data, 'email_addresses', 'email_address', 'primary_email_address_id'),
      phone: primaryOf(data, 'phone_numbers', 'phone_number', 'primary_phone_number_id'),
      firstName: textField(data, 'first_name'),
      lastName: textField(data, 'last_name'),
      username: textField(data, 'username'),
    }),
  };
}

function readMember(data: JsonObject): Partial<RecordParts> {
  const person = objectField(data, 'public_user_data');
  const userRef = objectId(textField(person, 'user_id'));
  return {
    parentRef: referenceField(data, 'organization'),
    about: user(userRef),
    details: known({ role: objectId(textField(data, 'role')), userId: userRef }),
    personal: personalOf({
      identifier: textField(person, 'identifier'),
      firstName: textField(person, 'first_name'),
      lastName: textField(person, 'last_name'),
    }),
  };
}

const ofOrganisation = (data: JsonObject): Partial<RecordParts> => ({
  parentRef: objectId(textField(data, 'organization_id')),
  status: wordField(data, 'status'),
});

/** A mail or text that Clerk sends: who gets it, never what it says, which may be a code to sign in with. */
function readNotice(data: JsonObject): Partial<RecordParts> {
  const userRef = objectId(textField(data, 'user_id'));
  return {
    parentRef: userRef,
    about: user(userRef),
    status: wordField(data, 'status'),
    details: known({ slug: safeName(textField(data, 'slug')) }),
    personal: personalOf({
      email: textField(data, 'to_email_address'),
      phone: textField(data, 'to_phone_number'),
    }),
  };
}

/** Somebody pays for a subscription: an organisation, or a user for themselves. */
function readBilling(data: JsonObject): Partial<RecordParts> {
  const payer = objectField(data, 'payer');
  const userRef = objectId(textField(payer, 'user_id'));
  return {
    parentRef:
      objectId(textField(payer, 'organization_id')) ??
      userRef ??
      objectId(textField(data, 'subscription_id')),
    about: user(userRef),
    status: wordField(data, 'status'),
    details: known<string | number>({
      planId: objectId(textField(data, 'plan_id')) ?? referenceField(data, 'plan'),
      payerId: objectId(textField(payer, 'id')),
      amount: numberField(objectField(data, 'amount') ?? objectField(data, 'total'), 'amount'),
    }),
    personal: personalOf({ email: textField(payer, 'email') }),
  };
}

const families: Readonly<Record<string, Family>> = {
  user: { area: 'organisation', objectType: 'user', read: readUser },
  session: {
    area: 'organisation',
    objectType: 'session',
    read: (data) => ({
      parentRef: objectId(textField(data, 'user_id')),
      status: wordField(data, 'status'),
    }),
  },
  organization: {
    area: 'organisation',
    objectType: 'organisation',
    verbs: { created: 'created', updated: 'updated', deleted: 'deleted' },
    read: (data) => ({
      details: known({ createdBy: objectId(textField(data, 'created_by')) }),
      personal: personalOf({ name: textField(data, 'name'), slug: textField(data, 'slug') }),
    }),
  },
  organizationMembership: {
    area: 'organisation',
    objectType: 'member',
    verbs: { created: 'member_added', deleted: 'member_removed' },
    read: readMember,
  },
  organizationInvitation: {
    area: 'organisation',
    objectType: 'invitation',
    read: (data) => ({
      ...ofOrganisation(data),
      details: known({ role: objectId(textField(data, 'role')) }),
      personal: personalOf({ email: textField(data, 'email_address') }),
    }),
  },
  organizationDomain: {
    area: 'organisation',
    objectType: 'domain',
    read: (data) => ({
      ...ofOrganisation(data),
      status: wordField(objectField(data, 'verification'), 'status'),
      personal: personalOf({ name: textField(data, 'name') }),
    }),
  },
  role: { area: 'organisation', objectType: 'role', read: ofOrganisation },
  permission: { area: 'organisation', objectType: 'permission', read: ofOrganisation },
  email: { area: 'organisation', objectType: 'email', read: readNotice },
  sms: { area: 'organisation', objectType: 'sms', read: readNotice },
  waitlistEntry: {
    area: 'organisation',
    objectType: 'waitlist_entry',
    read: (data) => ({
      status: wordField(data, 'status'),
      personal: personalOf({ email: textField(data, 'email_address') }),
    }),
  },
  subscription: { area: 'billing', objectType: 'subscription', read: readBilling },
  subscriptionItem: { area: 'billing', objectType: 'subscription_item', read: readBilling },
  paymentAttempt: { area: 'billing', objectType: 'payment_attempt', read: readBilling },
};

/** Events of a family that Clerk added since: named after themselves, nothing of their content is read. */
const unheardOf = (name: string): Family => ({
  area: 'organisation',
  objectType: snakeCase(name),
  read: () => ({}),
});

/** `user.updated` and `subscriptionItem.freeTrialEnding`: a family, and what happened to one of it. */
function familyOf(type: string): { readonly family: Family; readonly verb: string } {
  const dot = type.indexOf('.');
  const name = dot === -1 ? type : type.slice(0, dot);
  const verb = dot === -1 ? '' : snakeCase(type.slice(dot + 1));
  const found = Object.hasOwn(families, name) ? families[name] : undefined;
  return { family: found ?? unheardOf(name), verb };
}

/** The record that one delivery tells of. */
export function mapClerk(delivery: VerifiedDelivery): readonly [ProviderFact] {
  const source = sourceOf(delivery);
  const event = asObject(parseJson(delivery.raw.body));
  const type = safeName(textField(event, 'type'));
  const data = objectField(event, 'data');
  if (type === null || data === null) {
    const externalId = ['body', bytesId(delivery.raw.body)];
    return [notUnderstood(source, { reason: 'a body that is not a Clerk event', externalId })];
  }
  const { family, verb } = familyOf(type);
  const { area, objectType, verbs = {} } = family;
  const atMs = amountField(event, 'timestamp') ?? amountField(data, 'updated_at');
  const own = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  const said = family.read(data);
  const of = {
    source,
    factId: eventFactId(delivery, delivery.messageId, type),
    type,
    atUs: atMs === null ? null : atMs * 1000,
  };
  return [
    recordFact(of, {
      ...said,
      area,
      what: own ?? (verb === '' ? objectType : `${objectType}_${verb}`),
      objectType,
      objectRef: objectId(textField(data, 'id')),
      deleted: flagField(data, 'deleted') === true || verb === 'deleted',
      details: {
        ...said.details,
        ...known({ instanceId: objectId(textField(event, 'instance_id')) }),
      },
    }),
  ];
}
