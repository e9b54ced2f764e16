// Bench: signed Twilio status callbacks, made before the clock runs.

import { createHmac, randomBytes } from 'node:crypto';

export interface SignedRequest {
  readonly callSid: string;
  /** As Twilio writes it. */
  readonly status: string;
  /** The whole HTTP/1.1 request. */
  readonly bytes: Buffer;
}

const steps = [
  ['initiated', 0],
  ['ringing', 1],
  ['in-progress', 2],
  ['completed', 3],
] as const;

export interface Target {
  readonly path: string;
  /** The URL that is signed. */
  readonly publicUrl: string;
  readonly authToken: string;
}

/** Four status callbacks a call, calls interleaved so that steps of one call are apart. */
export function twilioTraffic(target: Target, requests: number): SignedRequest[] {
  const calls = Array.from(
    { length: Math.ceil(requests / 4) },
    () => `CA${randomBytes(16).toString('hex')}`,
  );
  const all = steps.flatMap((step) => calls.map((sid) => sign(target, sid, step)));
  return all.slice(0, requests);
}

/** Calls that have begun and go on: one callback each, and later ones by `next`. */
export function activeCalls(target: Target, count: number) {
  const calls = Array.from({ length: count }, () => `CA${randomBytes(16).toString('hex')}`);
  return {
    begin: (): SignedRequest[] => calls.map((sid) => sign(target, sid, steps[1])),
    /** The answers of so many of them. */
    next: (from: number, many: number): SignedRequest[] =>
      calls.slice(from, from + many).map((sid) => sign(target, sid, steps[2])),
  };
}

function sign(
  target: Target,
  callSid: string,
  [status, sequence]: (typeof steps)[number],
): SignedRequest {
  const fields: Record<string, string> = {
    CallSid: callSid,
    AccountSid: 'AC0123456789abcdef0123456789abcdef',
    From: `+1555550${String(100 + (callSid.charCodeAt(2) % 100)).padStart(4, '0')}`,
    To: '+15555550177',
    CallStatus: status,
    Direction: 'outbound-api',
    CallbackSource: 'call-progress-events',
    SequenceNumber: String(sequence),
    Timestamp: new Date().toUTCString().replace('GMT', '+0000'),
    ApiVersion: '2010-04-01',
    CallerCountry: 'US',
    CalledCountry: 'US',
    ...(status === 'completed' ? { CallDuration: '42', Duration: '1' } : {}),
  };
  const names = Object.keys(fields).sort();
  const text = target.publicUrl + names.map((name) => name + (fields[name] ?? '')).join('');
  const signature = createHmac('sha1', target.authToken).update(text).digest('base64');
  const body = new URLSearchParams(fields).toString();
  const head = [
    `POST ${target.path} HTTP/1.1`,
    'Host: hooks.example.com',
    'Content-Type: application/x-www-form-urlencoded; charset=UTF-8',
    `X-Twilio-Signature: ${signature}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ].join('\r\n');
  return { callSid, status, bytes: Buffer.from(`${head}\r\n\r\n${body}`) };
}
