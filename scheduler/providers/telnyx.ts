// Scheduler, providers: Telnyx. The events of a leg (GET /v2/call_events), and whether a call is alive
// (GET /v2/calls/{call_control_id}, told until ten minutes after its end) (telnyx@7.24.0 resources/call-events, calls).

import { z } from 'zod';

import type { CallSignal, Direction, FailureCause } from '../../schemas/facts.js';
import { shapeOf, type ApiAnswer, type ApiQuestion } from '../call-api.js';
import {
  urlOf,
  type ApiAccount,
  type AskedCall,
  type CallPage,
  type CallReport,
  type ListedCall,
  type ListRange,
  type ProviderApi,
  type Put,
  type ReportedFact,
} from './provider-api.js';

const credentialSchema = z
  .object({ apiKey: z.string().min(1) })
  .transform((given) => Object.fromEntries(Object.entries(given)) as Record<string, string>);

const event = z.object({
  name: z.string(),
  call_leg_id: z.string(),
  call_session_id: z.string().nullish(),
  event_timestamp: z.string(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
});
type TelnyxCallEvent = z.output<typeof event>;

const eventPage = z.object({
  data: z.array(z.unknown()),
  meta: z.object({ page_number: z.number(), total_pages: z.number() }).nullish(),
});

const status = z.object({
  data: z.object({
    call_leg_id: z.string(),
    call_session_id: z.string().nullish(),
    is_alive: z.boolean(),
    call_duration: z.number().nullish(),
    end_time: z.string().nullish(),
  }),
});

const hangupCauses: Readonly<Record<string, FailureCause>> = {
  user_busy: 'busy',
  timeout: 'no_answer',
  no_answer: 'no_answer',
  originator_cancel: 'canceled',
  normal_clearing: 'canceled',
  call_rejected: 'rejected',
  not_found: 'invalid_number',
};

/** Events that move a leg; the others are not asked for again. */
const moving: Readonly<Record<string, CallSignal>> = {
  'call.answered': { type: 'status', status: 'answered', cause: null, reason: null },
  'call.bridged': { type: 'status', status: 'answered', cause: null, reason: 'bridged' },
};

const timeOf = (text: string | null | undefined): number | null => {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? null : ms;
};

/** The raw event stands in the metadata, as it was sent or as its payload alone. */
function wordIn(metadata: TelnyxCallEvent['metadata'], name: string): string | null {
  const places: unknown[] = [metadata, metadata?.['payload'], metadata?.['raw_event']];
  for (const place of places) {
    if (typeof place !== 'object' || place === null) continue;
    const value = (place as Readonly<Record<string, unknown>>)[name];
    if (typeof value === 'string' && /^[A-Za-z0-9_:.-]{1,128}$/.test(value)) return value;
  }
  return null;
}

function signalOf(one: TelnyxCallEvent): CallSignal | null {
  if (one.name === 'call.hangup') {
    const said = wordIn(one.metadata, 'hangup_cause') ?? '';
    const cause = Object.hasOwn(hangupCauses, said) ? hangupCauses[said] : undefined;
    return { type: 'hangup', cause: cause ?? 'provider' };
  }
  if (one.name === 'call.initiated') {
    const isIncoming = wordIn(one.metadata, 'direction') === 'incoming';
    const begun = isIncoming ? 'ringing' : 'initiated';
    return { type: 'status', status: begun, cause: null, reason: null };
  }
  return Object.hasOwn(moving, one.name) ? (moving[one.name] ?? null) : null;
}

function directionIn({ metadata }: TelnyxCallEvent): Direction | null {
  const said = wordIn(metadata, 'direction');
  if (said === 'incoming') return 'inbound';
  return said === 'outgoing' ? 'outbound' : null;
}

function factOf(one: TelnyxCallEvent): ReportedFact | null {
  const signal = signalOf(one);
  if (signal === null) return null;
  return {
    legRef: one.call_leg_id,
    sessionRef: one.call_session_id ?? null,
    event: one.name,
    signal,
    atMs: timeOf(one.event_timestamp),
    direction: directionIn(one),
    providerCode: one.name === 'call.hangup' ? wordIn(one.metadata, 'hangup_cause') : null,
  };
}

const authorized = ({ credentials }: ApiAccount, url: string): ApiQuestion => ({
  url,
  headers: { authorization: `Bearer ${credentials['apiKey'] ?? ''}` },
});

const failed = (answer: ApiAnswer): { readonly kind: 'failed'; readonly answer: ApiAnswer } => ({
  kind: 'failed',
  answer,
});
const unreadable: ApiAnswer = { kind: 'unreachable', why: 'an answer of another shape' };

async function ask(account: ApiAccount, call: AskedCall, put: Put): Promise<CallReport> {
  const { legRef } = call;
  const url = urlOf(account.baseUrl, ['v2', 'call_events'], {
    'filter[leg_id]': legRef,
    'filter[type]': 'webhook',
    'page[size]': '250',
  });
  const answer = await put(authorized(account, url));
  if (answer.kind !== 'ok' && answer.kind !== 'unknown') return failed(answer);
  const events = answer.kind === 'ok' ? eventsOf(answer.json) : [];
  if (events === null) return failed(unreadable);
  const own = events.filter(({ call_leg_id }) => call_leg_id === legRef);
  const facts = own.flatMap((one) => factOf(one) ?? []);
  if (facts.some(({ signal }) => signal.type === 'hangup')) return { kind: 'ended', ends: facts };
  const handles = own.map(({ metadata }) => wordIn(metadata, 'call_control_id'));
  const controlId = call.controlId ?? handles.find((handle) => handle !== null) ?? null;
  return controlId === null ? { kind: 'unknown' } : askAlive(account, { ...call, controlId }, put);
}

async function askAlive(
  account: ApiAccount,
  { controlId, legRef }: AskedCall & { readonly controlId: string },
  put: Put,
): Promise<CallReport> {
  const answer = await put(authorized(account, urlOf(account.baseUrl, ['v2', 'calls', controlId])));
  if (answer.kind === 'unknown') return { kind: 'unknown' };
  if (answer.kind !== 'ok') return failed(answer);
  const found = shapeOf(status, answer.json)?.data ?? null;
  if (found === null || found.call_leg_id !== legRef) return failed(unreadable);
  if (found.is_alive) return { kind: 'active', status: null };
  const end: ReportedFact = {
    legRef,
    sessionRef: found.call_session_id ?? null,
    event: 'ended',
    signal: { type: 'hangup', cause: 'provider' },
    atMs: timeOf(found.end_time),
    durationSec: found.call_duration ?? null,
  };
  return { kind: 'ended', ends: [end] };
}

function eventsOf(json: unknown): readonly TelnyxCallEvent[] | null {
  const found = shapeOf(eventPage, json);
  return found === null ? null : found.data.flatMap((one) => shapeOf(event, one) ?? []);
}

const dayMs = 86_400_000;

async function list(
  account: ApiAccount,
  { sinceMs, cursor }: ListRange,
  put: Put,
): Promise<CallPage> {
  const number = cursor === null ? 1 : Number(cursor);
  const url = urlOf(account.baseUrl, ['v2', 'call_events'], {
    'filter[type]': 'webhook',
    'filter[occurred_at][gte]': new Date(sinceMs).toISOString(),
    'page[number]': String(number),
    'page[size]': '250',
  });
  const answer = await put(authorized(account, url));
  if (answer.kind !== 'ok') return failed(answer);
  const events = eventsOf(answer.json);
  const meta = shapeOf(eventPage, answer.json)?.meta ?? null;
  if (events === null) return failed(unreadable);
  const next = meta !== null && meta.page_number < meta.total_pages ? String(number + 1) : null;
  return { kind: 'page', calls: callsIn(events), next };
}

/** One entry per leg of the page; a leg whose events are on two pages is listed on both. */
function callsIn(events: readonly TelnyxCallEvent[]): readonly ListedCall[] {
  return [...legsIn(events)].map(([legRef, own]): ListedCall => {
    const facts = own.flatMap((one) => factOf(one) ?? []);
    const isEnded = facts.some(({ signal }) => signal.type === 'hangup');
    const times = facts.flatMap(({ atMs }) => atMs ?? []);
    const startedAtMs = times.length === 0 ? null : Math.min(...times);
    return { legRef, startedAtMs, isEnded, status: null, facts };
  });
}

function legsIn(events: readonly TelnyxCallEvent[]): Map<string, TelnyxCallEvent[]> {
  const byLeg = new Map<string, TelnyxCallEvent[]>();
  for (const one of events) {
    const known = byLeg.get(one.call_leg_id);
    if (known === undefined) byLeg.set(one.call_leg_id, [one]);
    else known.push(one);
  }
  return byLeg;
}

export const telnyx: ProviderApi = {
  provider: 'telnyx',
  defaultBaseUrl: 'https://api.telnyx.com',
  credentialSchema,
  credentialHelp: { apiKey: 'KEY…: Account Settings › Keys & Credentials › API Keys' },
  ask,
  list,
  listLimit: `its list of events goes back ${dayMs / 3_600_000} hours`,
};
