// Ingest, providers: CallRail. One HMAC over the body; calls and text messages (provider sheet, section 5).
//
// No field says what a delivery is about, and the URL, which could, is not signed. So the kind is read from what
// is: a call that has neither been answered nor lasted is only about to begin (CallRail calls it "missed" then,
// too), one that was answered and has not lasted is being spoken, anything else is over. The URL may make
// less of a delivery, never more: `?kind=call-modified` turns the report of an end into a note, and nothing
// turns a beginning into an end.

import { z } from 'zod';
import type { CallSignal, Direction, ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { parseQuery } from '../schemes/form.js';
import { signHmacBody, verifyHmacBody, type HmacBodyRules } from '../schemes/hmac-body.js';
import { refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import {
  bytesId,
  callFact,
  identify,
  isoMicros,
  known,
  messageFact,
  millis,
  noteSignal,
  notUnderstood,
  orderOf,
  reference,
  safeCode,
  sourceOf,
  statusSignal,
  wholeNumber,
  type FactSource,
} from './fact-base.js';
import { asObject, parseJson, textField, type JsonObject } from './json.js';
import { optOutOf } from './opt-out.js';
import {
  defineProvider,
  noContent,
  type OutgoingDelivery,
  type ProviderGuide,
  type StoredCredential,
} from './provider.js';

const rules: HmacBodyRules = { header: 'signature', algorithm: 'sha1', encoding: 'base64' };

const guide: ProviderGuide = {
  title: 'CallRail',
  covers: ['calls', 'messages'],
  steps: [
    'Settings › Integrations › Webhooks, for the company whose calls you want: put {url} under Pre-Call, Call Routing Complete, Post-Call and Text Message.',
    'Under Call Modified put {url}?kind=call-modified: CallRail does not say in the delivery that it is one.',
    'Post-Call comes up to 20 minutes late where CallRail waits for the recording.',
  ],
  credentials: {
    signingKey: 'Settings › Integrations › Webhooks › Signing Key, as it is shown',
    companyId: 'optional: COM… or the number of the company; deliveries of another are refused',
  },
  verified:
    'HMAC-SHA1 over the body. CallRail signs neither the URL nor a time: a repeat is known by its identity.',
  judgedBy: null,
};

const credentialSchema = z.object({
  signingKey: z.string().min(1),
  companyId: z.string().min(1).optional(),
});
type CallrailCredential = z.output<typeof credentialSchema>;

function isOfOther(fields: JsonObject | null, companyId: string): boolean {
  const named = ['company_resource_id', 'company_id'].map((name) => textField(fields, name));
  return named.some((company) => company !== null) && !named.includes(companyId);
}

function verify(request: SignedRequest, { signingKey, companyId }: CallrailCredential): Verdict {
  const verdict = verifyHmacBody(request, rules, signingKey);
  if (!verdict.ok || companyId === undefined) return verdict;
  const fields = asObject(parseJson(request.body));
  return isOfOther(fields, companyId) ? refuse('account_mismatch') : verdict;
}

type CallKind = 'pre-call' | 'routing-complete' | 'post-call' | 'call-modified';

/** Whether the URL says so, as a query or as its last segment. */
function saysModified(url: string): boolean {
  const kind = parseQuery(url).values.get('kind');
  const [path = ''] = url.split(/[?#]/, 1);
  return kind === 'call-modified' || path.endsWith('/call-modified');
}

function kindOf(call: JsonObject, url: string): CallKind {
  if (Object.hasOwn(call, 'changes') || saysModified(url)) return 'call-modified';
  const hasLasted = (wholeNumber(textField(call, 'duration')) ?? 0) > 0;
  if (hasLasted || call['voicemail'] === true) return 'post-call';
  return call['answered'] === true ? 'routing-complete' : 'pre-call';
}

function signalOf(kind: CallKind, call: JsonObject): CallSignal {
  switch (kind) {
    case 'pre-call':
      return statusSignal('ringing');
    case 'routing-complete':
      return statusSignal('answered');
    case 'call-modified':
      return noteSignal('call_modified');
    case 'post-call': {
      if (call['voicemail'] === true) return statusSignal('completed', null, 'voicemail');
      return call['answered'] === true
        ? statusSignal('completed')
        : statusSignal('failed', 'no_answer');
    }
  }
}

/** When it happened: a change tells only of the call, whose end is its start and its duration. */
function microsOf(kind: CallKind, call: JsonObject): number | null {
  const startUs = isoMicros(textField(call, 'start_time'));
  if (kind === 'call-modified' || startUs === null) return null;
  if (kind !== 'post-call') return startUs;
  return startUs + (wholeNumber(textField(call, 'duration')) ?? 0) * 1_000_000;
}

function directionOf(fields: JsonObject): Direction | null {
  const said = textField(fields, 'direction');
  return said === 'inbound' || said === 'outbound' ? said : null;
}

/** An empty text reads as none. */
const filled = (fields: JsonObject, name: string): string | null => {
  const text = textField(fields, name);
  return text === '' ? null : text;
};

const phases = {
  'pre-call': 0,
  'routing-complete': 1,
  'call-modified': 1,
  'post-call': 2,
} as const;

function mapCall(delivery: VerifiedDelivery, call: JsonObject, legRef: string): ProviderFact {
  const source = sourceOf(delivery);
  const kind = kindOf(call, delivery.url);
  const atUs = microsOf(kind, call);
  const isOver = kind === 'post-call';
  const customer = filled(call, 'customer_phone_number');
  const tracking = filled(call, 'tracking_phone_number');
  const direction = directionOf(call);
  const recording = filled(call, 'recording');
  // A call may be changed again and again: each change is known by its bytes.
  const change = kind === 'call-modified' ? [bytesId(delivery.raw.body)] : [];
  return callFact({
    factId: identify(source, ['call', legRef, ...change], kind),
    eventType: kind,
    occurredAt: millis(atUs),
    order: orderOf(source, phases[kind], atUs),
    legRef,
    direction,
    signal: signalOf(kind, call),
    durationSec: isOver ? wholeNumber(textField(call, 'duration')) : null,
    providerCode: isOver ? safeCode(textField(call, 'call_type')) : null,
    details: known<string | number | boolean>({
      voicemail: isOver && call['voicemail'] === true ? true : null,
      // One recording a call, without an id of its own.
      recordingId: recording === null ? null : legRef,
      recordingStatus: recording === null ? null : 'completed',
      recordingSec: wholeNumber(textField(call, 'recording_duration')),
    }),
    from: direction === 'outbound' ? tracking : customer,
    to: direction === 'outbound' ? customer : tracking,
    personal: known({
      callerName: filled(call, 'customer_name'),
      recordingUrl: recording,
      transcript: filled(call, 'transcription'),
      note: filled(call, 'note'),
    }),
  });
}

/** The fields of a text message are not documented; these are what integrations report. */
function mapText(source: FactSource, fields: JsonObject, messageRef: string): ProviderFact {
  const isInbound = directionOf(fields) !== 'outbound';
  const status = isInbound ? 'received' : 'sent';
  const body = textField(fields, 'content') ?? textField(fields, 'message');
  const atUs = isoMicros(textField(fields, 'sent_at')) ?? isoMicros(textField(fields, 'timestamp'));
  return messageFact({
    factId: identify(source, ['text', messageRef], status),
    eventType: 'text-message',
    occurredAt: millis(atUs),
    order: orderOf(source, isInbound ? 0 : 1, atUs),
    messageRef,
    direction: isInbound ? 'inbound' : 'outbound',
    status,
    providerStatus: status,
    optOut: isInbound ? optOutOf(null, body) : null,
    from: textField(fields, 'source_number'),
    to: textField(fields, 'destination_number'),
    body,
  });
}

const isCall = (fields: JsonObject): boolean =>
  Object.hasOwn(fields, 'answered') || Object.hasOwn(fields, 'duration');

const isText = (fields: JsonObject): boolean =>
  Object.hasOwn(fields, 'content') ||
  Object.hasOwn(fields, 'message') ||
  textField(fields, 'resource_id')?.startsWith('MSG') === true;

function map(delivery: VerifiedDelivery): readonly [ProviderFact] {
  const source = sourceOf(delivery);
  const fields = asObject(parseJson(delivery.raw.body));
  const ref = reference(textField(fields, 'resource_id')) ?? reference(textField(fields, 'id'));
  if (fields !== null && ref !== null) {
    if (isCall(fields)) return [mapCall(delivery, fields, ref)];
    if (isText(fields)) return [mapText(source, fields, ref)];
  }
  const externalId = ['body', bytesId(delivery.raw.body)];
  return [notUnderstood(source, { reason: 'neither a call nor a text message', externalId })];
}

function sign(
  request: OutgoingDelivery,
  { signingKey }: StoredCredential,
): OutgoingDelivery | null {
  if (signingKey === undefined) return null;
  const signature = signHmacBody(request.body, rules, signingKey);
  const headers = { 'user-agent': 'CallRail', ...request.headers, [rules.header]: signature };
  return { ...request, headers };
}

export const callrail = defineProvider<CallrailCredential>({
  name: 'callrail',
  mappingVersion: 1,
  credentialSchema,
  guide,
  // CallRail publishes none that could be confirmed.
  addressRanges: [],
  signatureHeaders: [rules.header],
  signsWith: ['signingKey'],
  sign,
  verify,
  map,
  acknowledge: () => noContent,
});
