// Promise 9: people as they appear in deliveries, and the search for them in whatever was written: in the
// clear, percent-encoded, in base64 at any alignment, and in hexadecimal.

import type { StoredDelivery } from '../ingest/stored-deliveries.js';

/** Somebody who calls and writes; invented. */
export interface Person {
  readonly number: string;
  readonly sip: string;
  readonly name: string;
  readonly text: string;
  readonly card: string;
}

type Fields = Readonly<Record<string, string>>;

/** What the providers say when this person calls and writes; `id` makes the ids of this round. */
export function callsOf(
  { number, sip, name, text, card }: Person,
  id: string,
  accountSid: string,
): {
  readonly forms: readonly Fields[];
  readonly queries: readonly string[];
  readonly events: readonly object[];
} {
  const sid = (prefix: string, tail: string) => `${prefix}${`${tail}${id}`.padStart(32, '0')}`;
  const ours = '+15555550100';
  const call = { AccountSid: accountSid, ApiVersion: '2010-04-01', Direction: 'inbound' };
  const who = { From: number, To: ours, Caller: number, Called: ours, CallerName: name };
  const address = { FromCity: 'ACHTERMEER', FromZip: '99999', SpeechResult: text, Digits: card };
  const callSid = sid('CA', 'a');
  const timed = { CallbackSource: 'call-progress-events', Timestamp: new Date().toUTCString() };
  const recording = `https://api.twilio.com/Recordings/${encodeURIComponent(name)}?token=${card}`;
  const sms = { AccountSid: accountSid, NumMedia: '1', From: `whatsapp:${number}`, To: ours };
  const forms: Fields[] = [
    { ...call, ...who, ...address, CallSid: callSid, CallStatus: 'ringing', ForwardedFrom: number },
    { ...call, ...who, ...timed, CallSid: callSid, CallStatus: 'completed', SequenceNumber: '0' },
    { ...call, ...who, CallSid: callSid, RecordingUrl: recording, RecordingSid: sid('RE', 'a') },
    {
      ...{ ...call, CallSid: callSid, RecordingUrl: recording, RecordingSid: sid('RE', 'b') },
      ...{ RecordingStatus: 'completed', RecordingDuration: '3', TranscriptionText: text },
    },
    {
      ...{ ...call, CallSid: callSid, ConferenceSid: sid('CF', 'a'), FriendlyName: name },
      ...{ ParticipantLabel: name, StatusCallbackEvent: 'participant-join', SequenceNumber: '1' },
      ...{ Timestamp: new Date().toUTCString(), Reason: `${name} joined` },
    },
    { ...call, From: sip, To: `client:${name}`, CallSid: sid('CA', 'b'), CallStatus: 'ringing' },
    {
      ...{ ...sms, MessageSid: sid('SM', 'a'), SmsStatus: 'received', Body: text },
      ...{ ProfileName: name, WaId: number.slice(1), MediaUrl0: recording },
    },
    {
      ...sms,
      MessageSid: sid('SM', 'a'),
      MessageStatus: 'failed',
      ErrorMessage: `${number} is off`,
    },
    { AccountSid: accountSid, [name]: text, Unheard: number },
  ];
  const query = { ...call, ...who, ...timed, CallSid: sid('CA', 'c'), CallStatus: 'in-progress' };
  const queries = [new URLSearchParams({ ...query, SequenceNumber: '2' }).toString()];
  const leg = {
    ...{ call_leg_id: `leg-${id}`, call_session_id: `session-${id}`, call_control_id: `v3:${id}` },
    ...{ connection_id: '1', from: number, to: sip, direction: 'incoming', state: 'parked' },
  };
  const event = (type: string, payload: object, index: number) => ({
    data: {
      ...{ record_type: 'event', event_type: type, id: `event-${id}-${index}` },
      ...{ occurred_at: new Date().toISOString(), payload },
    },
    meta: { attempt: 1, delivered_to: 'https://hooks.example.com/v1/in/telnyx/voice' },
  });
  const personal = {
    caller_id_name: name,
    from_sip_uri: sip,
    custom_headers: [{ name, value: text }],
  };
  const parties = { from: { phone_number: number }, to: [{ phone_number: ours, status: 'sent' }] };
  const events = [
    event('call.initiated', { ...leg, ...personal, client_state: base64(name) }, 1),
    event('call.answered', { ...leg, ...personal }, 2),
    event('call.dtmf.received', { ...leg, digit: card }, 3),
    event('call.gather.ended', { ...leg, digits: card, status: 'valid' }, 4),
    event('call.transcription', { ...leg, transcription_data: { transcript: text } }, 5),
    event('call.speak.ended', { ...leg, text }, 6),
    event('call.recording.saved', { ...leg, recording_urls: { mp3: recording } }, 7),
    event('call.hangup', { ...leg, hangup_cause: 'normal_clearing', hangup_source: 'caller' }, 8),
    event(
      'message.received',
      { ...parties, id: `message-${id}`, direction: 'inbound', text, media: [{ url: recording }] },
      9,
    ),
    event('contact.changed', { name, number, text }, 10),
  ];
  return { forms, queries, events };
}

/** What senders that tell of a tenant's own people say of this person: every field that may name them. */
export function membersOf(
  { number, name, text, card }: Person,
  id: string,
): { readonly users: readonly object[]; readonly bills: readonly object[] } {
  const [first = name, last = name] = name.split(' ');
  const email = `${last}@example.com`;
  const user = {
    ...{ id: `user_${id}`, first_name: first, last_name: last, username: last },
    ...{ email_addresses: [{ id: 'a', email_address: email }], unsafe_metadata: { text } },
    phone_numbers: [{ id: 'p', phone_number: number }],
  };
  const clerk = (type: string, data: object) => ({
    ...{ type, data, object: 'event', timestamp: Date.now(), instance_id: 'ins_1' },
  });
  const member = { user_id: user.id, identifier: email, first_name: first, last_name: last };
  const organisation = { id: `org_${id}`, name, slug: last };
  const notice = { id: `sms_${id}`, user_id: user.id, to_phone_number: number, message: text };
  const stripe = (type: string, object: object) => ({
    ...{ id: `evt_${id}${type}`, type, object: 'event', created: Math.floor(Date.now() / 1000) },
    data: { object },
  });
  const paid = { customer_email: email, customer_name: name, customer_phone: number };
  return {
    users: [
      clerk('user.created', user),
      clerk('organization.created', organisation),
      clerk('organizationMembership.created', {
        ...{ id: `m_${id}`, organization: organisation, public_user_data: member },
      }),
      clerk('sms.created', notice),
      // A name that no field of ours expects where an id or a word should be.
      clerk('user.updated', { ...user, id: name, status: text }),
    ],
    bills: [
      stripe('customer.created', {
        id: `cus_${id}`,
        object: 'customer',
        name,
        email,
        phone: number,
      }),
      stripe('invoice.paid', { id: `in_${id}`, object: 'invoice', customer: `cus_${id}`, ...paid }),
      stripe('charge.succeeded', { id: card, object: name, status: text, customer: number }),
    ],
  };
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

/** Fields of providers' payloads that hold a number, a name, a text or an address of a recording. */
const personalFields: ReadonlySet<string> = new Set([
  ...'From To Caller Called from to phone_number caller_id_name from_sip_uri'.split(' '),
  ...'to_sip_uri Body body text RecordingUrl mp3 MediaUrl0 WaId from_number to_number'.split(' '),
  ...'external_number agent_number number sip.phoneNumber sip.trunkPhoneNumber'.split(' '),
  ...'transfer_destination transcript concatenated_transcript summary call_summary'.split(' '),
  ...'transcript_summary recording_url stereoUrl location email_address identifier'.split(' '),
  'customer_email',
]);

/** Everything that must be found nowhere: of these people, of the stored deliveries, and secrets. */
export function needlesOf(
  people: readonly Person[],
  deliveries: readonly StoredDelivery[],
  secrets: readonly string[],
): readonly string[] {
  const found = new Set<string>(secrets);
  const parts = people.flatMap(({ name, text }) => [...name.split(' '), ...text.split(' ')]);
  for (const person of people) for (const value of Object.values(person)) found.add(String(value));
  for (const part of parts) if (part.length > 8) found.add(part);
  for (const { number } of people) found.add(number.slice(1));
  for (const delivery of deliveries) {
    for (const value of personalValues(delivery)) {
      found.add(value.trim());
      if (/^\+\d{8,}$/.test(value)) found.add(value.slice(1));
    }
  }
  // A short word stands in many a place by chance, and says nothing about anybody.
  return [...found].filter((needle) => needle.length >= 8 && !needle.startsWith('AC'));
}

function personalValues({ rawBody, url }: StoredDelivery): string[] {
  const values: string[] = [];
  const walk = (value: unknown, field: string): void => {
    if (typeof value === 'string' && personalFields.has(field)) values.push(value);
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      walk(inner, Array.isArray(value) ? field : name);
    }
  };
  const isJson = /^\s*[[{]/.test(rawBody);
  walk(isJson ? JSON.parse(rawBody) : Object.fromEntries(new URLSearchParams(rawBody)), '');
  walk(Object.fromEntries(new URL(url).searchParams), '');
  return values;
}

/** A value of any shape as text, byte strings as they are. */
export const clearOf = (value: object): string =>
  Object.values(value)
    .flat()
    .map((part: unknown) => (Buffer.isBuffer(part) ? part.toString('latin1') : String(part)))
    .join(' ');

/** Looks for all needles, in every way they may be written, in everything it is given. */
export class Search {
  places = 0;
  bytes = 0;
  readonly #forms: readonly { readonly needle: string; readonly form: Buffer }[];
  readonly #found = new Set<string>();

  constructor(needles: readonly string[]) {
    this.#forms = needles.flatMap((needle) => formsOf(needle).map((form) => ({ needle, form })));
  }

  add(place: string, content: string | Buffer): void {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
    this.places += 1;
    this.bytes += bytes.length;
    for (const { needle, form } of this.#forms) {
      if (bytes.includes(form)) this.#found.add(`${needle} in ${place}`);
    }
  }

  /** What was found, and where. */
  leaks(): readonly string[] {
    return [...this.#found];
  }
}

function formsOf(needle: string): Buffer[] {
  const clear = Buffer.from(needle, 'utf8');
  const texts = [
    needle,
    needle.toLowerCase(),
    encodeURIComponent(needle),
    new URLSearchParams({ n: needle }).toString().slice(2),
    JSON.stringify(needle).slice(1, -1),
    clear.toString('hex'),
    ...[0, 1, 2].flatMap((shift) => base64At(clear, shift)),
  ];
  return [...new Set(texts)].map((text) => Buffer.from(text, 'utf8'));
}

/** Base64 of the bytes where they begin `shift` bytes into a group of three; whole groups only. */
function base64At(clear: Buffer, shift: number): string[] {
  const text = Buffer.concat([Buffer.alloc(shift), clear])
    .toString('base64url')
    .replace(/=+$/, '');
  const inner = text.slice(shift === 0 ? 0 : 4, Math.floor((shift + clear.length) / 3) * 4);
  return inner.length < 8 ? [] : [inner, inner.replaceAll('-', '+').replaceAll('_', '/')];
}
