// Scheduler, providers: Twilio. The Call resource of the REST API (2010-04-01): fetch one, list by start time
// (twilio.com/docs/voice/api/call-resource; twilio@6.2.0 rest/api/v2010/account/call).

import { z } from 'zod';

import type { CallSignal, CallStatus, Direction, FailureCause } from '../../schemas/facts.js';
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
  .object({
    accountSid: z.string().regex(/^AC[0-9a-f]{32}$/i, 'must be AC and 32 hexadecimal digits'),
    authToken: z.string().min(1).optional(),
    keySid: z
      .string()
      .regex(/^SK[0-9a-f]{32}$/i, 'must be SK and 32 hexadecimal digits')
      .optional(),
    keySecret: z.string().min(1).optional(),
  })
  .refine(
    ({ authToken, keySid, keySecret }) =>
      authToken !== undefined || (keySid !== undefined && keySecret !== undefined),
    'give authToken, or keySid and keySecret',
  )
  .transform((given) => Object.fromEntries(Object.entries(given)) as Record<string, string>);

const call = z.object({
  sid: z.string(),
  parent_call_sid: z.string().nullish(),
  status: z.string(),
  direction: z.string().nullish(),
  start_time: z.string().nullish(),
  end_time: z.string().nullish(),
  duration: z.string().nullish(),
  price: z.string().nullish(),
  price_unit: z.string().nullish(),
  from: z.string().nullish(),
  to: z.string().nullish(),
});
type TwilioCall = z.output<typeof call>;

const page = z.object({ calls: z.array(z.unknown()), next_page_uri: z.string().nullish() });

const live: Readonly<Record<string, CallStatus>> = {
  queued: 'initiated',
  initiated: 'initiated',
  ringing: 'ringing',
  'in-progress': 'answered',
};

const failures: Readonly<Record<string, FailureCause>> = {
  busy: 'busy',
  'no-answer': 'no_answer',
  canceled: 'canceled',
  failed: 'provider',
};

const own = <T>(table: Readonly<Record<string, T>>, name: string): T | null =>
  Object.hasOwn(table, name) ? (table[name] ?? null) : null;

function endOf({ status }: TwilioCall): CallSignal | null {
  if (status === 'completed') return { type: 'status', status, cause: null, reason: null };
  const cause = own(failures, status);
  return cause === null ? null : { type: 'status', status: 'failed', cause, reason: null };
}

const timeOf = (text: string | null | undefined): number | null => {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? null : ms;
};

const secondsOf = (text: string | null | undefined): number | null =>
  /^\d{1,9}$/.test(text ?? '') ? Number(text) : null;

function directionOf({ direction }: TwilioCall): Direction | null {
  if (direction === 'inbound') return 'inbound';
  return direction?.startsWith('outbound') === true ? 'outbound' : null;
}

const common = (found: TwilioCall) => ({
  legRef: found.sid,
  parentRef: found.parent_call_sid ?? null,
  direction: directionOf(found),
  from: found.from ?? null,
  to: found.to ?? null,
});

/** The end as a fact; null while the call is active or stands as we do not know. */
function endFactOf(found: TwilioCall): ReportedFact | null {
  const signal = endOf(found);
  if (signal === null) return null;
  return {
    ...common(found),
    event: found.status,
    signal,
    atMs: timeOf(found.end_time) ?? timeOf(found.start_time),
    durationSec: secondsOf(found.duration),
    details: priceOf(found),
  };
}

function priceOf({ price, price_unit: unit }: TwilioCall): Record<string, string> {
  if (!/^-?\d{1,9}(\.\d{1,9})?$/.test(price ?? '')) return {};
  return {
    price: price ?? '',
    ...(/^[A-Za-z]{3}$/.test(unit ?? '') ? { priceUnit: unit ?? '' } : {}),
  };
}

/** How it began, for a call we have never heard of. */
function beginFactOf(found: TwilioCall): ReportedFact {
  const status = directionOf(found) === 'inbound' ? 'ringing' : 'initiated';
  const signal = { type: 'status', status, cause: null, reason: null } as const;
  return { ...common(found), event: 'started', signal, atMs: timeOf(found.start_time) };
}

function authorized({ credentials }: ApiAccount, url: string): ApiQuestion {
  const { accountSid = '', authToken = '', keySid, keySecret } = credentials;
  const pair = keySid === undefined ? `${accountSid}:${authToken}` : `${keySid}:${keySecret ?? ''}`;
  return { url, headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` } };
}

const calls = ['2010-04-01', 'Accounts'] as const;
const failed = (answer: ApiAnswer): { readonly kind: 'failed'; readonly answer: ApiAnswer } => ({
  kind: 'failed',
  answer,
});
const unreadable: ApiAnswer = { kind: 'unreachable', why: 'an answer of another shape' };

async function ask(account: ApiAccount, { legRef }: AskedCall, put: Put): Promise<CallReport> {
  const { accountSid = '' } = account.credentials;
  const url = urlOf(account.baseUrl, [...calls, accountSid, 'Calls', `${legRef}.json`]);
  const answer = await put(authorized(account, url));
  if (answer.kind === 'unknown') return { kind: 'unknown' };
  if (answer.kind !== 'ok') return failed(answer);
  const found = shapeOf(call, answer.json);
  if (found === null || found.sid !== legRef) return failed(unreadable);
  const end = endFactOf(found);
  if (end !== null) return { kind: 'ended', ends: [end] };
  return { kind: 'active', status: own(live, found.status) };
}

async function list(account: ApiAccount, range: ListRange, put: Put): Promise<CallPage> {
  const url = pageUrl(account, range);
  if (url === null) return failed(unreadable);
  const answer = await put(authorized(account, url));
  if (answer.kind !== 'ok') return failed(answer);
  const found = shapeOf(page, answer.json);
  if (found === null) return failed(unreadable);
  const listed = found.calls.flatMap((one): ListedCall[] => {
    const parsed = shapeOf(call, one);
    return parsed === null ? [] : [listedOf(parsed)];
  });
  return { kind: 'page', calls: listed, next: found.next_page_uri ?? null };
}

/** The next page is a path of the same API; anything else is not followed with our credentials. */
function pageUrl(
  { baseUrl, credentials }: ApiAccount,
  { sinceMs, cursor }: ListRange,
): string | null {
  const { accountSid = '' } = credentials;
  if (cursor !== null) {
    const isOurs = cursor.startsWith(`/${calls.join('/')}/${accountSid}/Calls.json?`);
    return isOurs ? `${baseUrl}${cursor}` : null;
  }
  const since = new Date(sinceMs).toISOString().slice(0, 19);
  return urlOf(baseUrl, [...calls, accountSid, 'Calls.json'], {
    'StartTime>': `${since}Z`,
    PageSize: '200',
  });
}

function listedOf(found: TwilioCall): ListedCall {
  const end = endFactOf(found);
  return {
    legRef: found.sid,
    startedAtMs: timeOf(found.start_time),
    isEnded: end !== null,
    status: end === null ? own(live, found.status) : statusOf(end.signal),
    facts: end === null ? [beginFactOf(found)] : [beginFactOf(found), end],
  };
}

const statusOf = (signal: CallSignal): CallStatus | null =>
  signal.type === 'status' ? signal.status : null;

export const twilio: ProviderApi = {
  provider: 'twilio',
  defaultBaseUrl: 'https://api.twilio.com',
  credentialSchema,
  credentialHelp: {
    accountSid: 'AC…: Account › API keys & tokens',
    authToken: 'its Auth Token; or instead',
    keySid: 'SK…: a restricted key that may read calls is enough',
    keySecret: 'the secret of that key',
  },
  ask,
  list,
  listLimit: null,
};
