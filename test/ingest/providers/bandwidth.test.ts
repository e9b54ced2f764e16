// Bandwidth: who calls is known by user and password alone, and what its events mean.

import { describe, expect, it } from 'vitest';
import { secondsOf } from '../../../ingest/providers/bandwidth-voice.js';
import { acknowledgement, providerOf } from '../../../ingest/providers/registry.js';
import type { SignedRequest } from '../../../ingest/schemes/scheme.js';
import { callOf, factsOf, messageOf, tellJson, url } from './told.js';

const basicUser = 'callbacks';
const basicPass = 'a pass:word é';
const token = (user: string, pass: string) => Buffer.from(`${user}:${pass}`).toString('base64');
const right = `Basic ${token(basicUser, basicPass)}`;

function judge(
  authorization: string | null,
  credential: Record<string, string> = { basicUser, basicPass },
  body = '{}',
) {
  const headers = new Map(authorization === null ? [] : [['authorization', authorization]]);
  const request: SignedRequest = { method: 'POST', url, headers, body: Buffer.from(body) };
  return providerOf('bandwidth').verify(request, [credential], 0);
}

const leg = {
  ...{ callId: 'c-1', from: '+15005550006', to: '+15555550123', direction: 'outbound' },
  ...{ startTime: '2026-10-01T10:00:00.000Z', eventTime: '2026-10-01T10:01:01.000Z' },
};
const event = (eventType: string, more: object = {}) =>
  tellJson('bandwidth', { ...leg, eventType, ...more });
const answerTime = '2026-10-01T10:00:09.000Z';

describe('Bandwidth credentials', () => {
  it('are accepted where user and password are right, in the scheme’s name of any case', () => {
    for (const header of [right, right.replace('Basic', 'basic'), right.replace(' ', '  ')]) {
      expect(judge(header).ok).toBe(true);
    }
  });

  it('are refused where anything of them is wrong', () => {
    expect(judge(null)).toMatchObject({ layer: 'signature', code: 'signature_missing' });
    expect(judge('')).toMatchObject({ code: 'signature_missing' });
    for (const header of ['Bearer x', 'Basic', `Basic ${basicUser}:${basicPass}`, `${right} x`]) {
      expect(judge(header)).toMatchObject({ code: 'signature_malformed' });
    }
    for (const [user, pass] of [
      [basicUser, `${basicPass}x`],
      [`${basicUser}x`, basicPass],
      [basicUser, ''],
      ['', ''],
      ['callback', `s:${basicPass}`],
    ] as const) {
      expect(judge(`Basic ${token(user, pass)}`)).toMatchObject({ code: 'signature_mismatch' });
    }
    expect(judge(`${right}, ${right}`)).toMatchObject({ code: 'signature_repeated' });
  });

  it('are refused when any byte of them changes', () => {
    for (let at = 'Basic '.length; at < right.length; at += 1) {
      for (const bit of [1, 2, 4, 8, 16, 32]) {
        const change = String.fromCharCode(right.charCodeAt(at) ^ bit);
        expect(judge(right.slice(0, at) + change + right.slice(at + 1)).ok).toBe(false);
      }
    }
  });

  it('that are not configured refuse everything, unless the endpoint says that there are none', () => {
    for (const none of [
      {},
      { basicUser },
      { basicUser: '', basicPass: '' },
      { authentication: '' },
    ]) {
      expect(judge(right, none as Record<string, string>)).toMatchObject({
        code: 'credentials_invalid',
      });
    }
    expect(judge(null, { authentication: 'none' }).ok).toBe(true);
    expect(
      judge(null, { authentication: 'none', accountId: 'a-1' }, '{"accountId":"a-2"}'),
    ).toMatchObject({ code: 'account_mismatch' });
  });

  it('are held to the account and application that a delivery names', () => {
    const own = { basicUser, basicPass, accountId: 'a-1', applicationId: 'app-1' };
    const voice = '{"accountId":"a-1","applicationId":"app-1"}';
    const messages = '[{"type":"x","message":{"applicationId":"app-1"}}]';
    for (const body of [voice, messages, '{}']) expect(judge(right, own, body).ok).toBe(true);
    for (const body of [
      voice.replace('a-1', 'a-2'),
      voice.replace('app-1', 'app-2'),
      messages.replace('app-1', 'app-2'),
    ]) {
      expect(judge(right, own, body)).toMatchObject({ code: 'account_mismatch' });
    }
  });
});

describe('Bandwidth', () => {
  const answered = { answerTime };
  const failed = ['callback-error', 'invalid-bxml', 'application-error', 'account-limit', 'error'];
  const ends: readonly (readonly [string, object, object])[] = [
    ['hangup', answered, { status: 'completed' }],
    ['hangup', {}, { status: 'failed', cause: 'canceled' }],
    ['busy', {}, { status: 'failed', cause: 'busy' }],
    ['timeout', {}, { status: 'failed', cause: 'no_answer' }],
    ['cancel', {}, { status: 'failed', cause: 'canceled' }],
    ['rejected', {}, { status: 'failed', cause: 'rejected' }],
    ['node-capacity-exceeded', {}, { status: 'failed', cause: 'network' }],
    ['unknown', {}, { status: 'failed', cause: 'provider' }],
    ...failed.map((cause) => [cause, answered, { status: 'failed', cause: 'provider' }] as const),
  ];
  it.each(ends)('reads the end of a call: %s %o', (cause, more, signal) => {
    expect(callOf(event('disconnect', { cause, ...more }))).toMatchObject({
      ...{ signal, providerCode: cause, order: { phase: 2 } },
    });
  });

  it('computes the duration that Bandwidth leaves out', () => {
    const endTime = '2026-10-01T10:01:00.400Z';
    const fact = callOf(event('disconnect', { cause: 'hangup', answerTime, endTime }));
    expect(fact).toMatchObject({ durationSec: 51, occurredAt: Date.parse(endTime) });
    expect(callOf(event('disconnect', { cause: 'busy', endTime })).durationSec).toBeNull();
  });

  it.each([
    ['PT51.056S', 51.056],
    ['PT4.9891287S', 4.9891287],
    ['PT1M51S', 111],
    ['PT2H3M4S', 7384],
    ['PT5M', 300],
    ['PT0S', 0],
    ['PT', null],
    ['51', null],
    ['P1D', null],
    ['', null],
    [null, null],
  ])('reads the ISO 8601 duration %s', (text, seconds) => {
    expect(secondsOf(text)).toBe(seconds);
  });

  it('makes a leg of an answered transfer, and says of its parent that it is transferred', () => {
    const [told, parent] = factsOf(
      event('transferAnswer', {
        ...{ callId: 'c-2', parentCallId: 'c-1', answerTime },
        ...{ transferTo: '+15555550177', transferCallerId: '+15005550006' },
      }),
    );
    expect(told).toMatchObject({
      ...{ legRef: 'c-2', parentRef: 'c-1', to: '+15555550177', direction: 'outbound' },
      signal: { status: 'answered' },
    });
    expect(parent).toMatchObject({ legRef: 'c-1', signal: { status: 'transferring' } });
  });

  it('takes the end of a transfer for an answer only where the call was answered', () => {
    const complete = (more: object) =>
      callOf(event('transferComplete', { cause: 'busy', ...more }));
    expect(complete({ answerTime })).toMatchObject({ signal: { status: 'answered' } });
    expect(complete({})).toMatchObject({ signal: { type: 'note' }, providerCode: 'busy' });
  });

  it.each([
    ['human', 'human'],
    ['answering-machine', 'machine'],
    ['silence', 'unknown'],
    ['timeout', 'unknown'],
  ])('reads who answered: %s', (value, amd) => {
    const fact = callOf(event('machineDetectionComplete', { machineDetectionResult: { value } }));
    expect(fact.details).toMatchObject({ amd });
  });

  it('knows an event again by call, type and time', () => {
    const id = (more: object) => callOf(event('answer', more)).factId;
    expect(id({})).toBe(id({ tag: 'other' }));
    expect(id({})).not.toBe(id({ eventTime: '2026-10-01T10:01:02.000Z' }));
    expect(id({})).not.toBe(id({ callId: 'c-2' }));
  });

  it('keeps tones, speech and conferences as notes, without what was said', () => {
    const digits = callOf(event('gather', { digits: '4111111111111111' }));
    expect(digits.signal).toEqual({ type: 'note', name: 'gather' });
    expect(JSON.stringify(digits)).not.toContain('4111');
    expect(callOf(event('conferenceMemberJoin')).signal).toMatchObject({
      name: 'conference_member_join',
    });
  });

  it('waits for BXML where it asks what to do, and for nothing else', () => {
    for (const type of ['initiate', 'answer', 'gather', 'redirect', 'transferComplete']) {
      expect(acknowledgement(event(type))).toMatchObject({ status: 200 });
      expect(acknowledgement(event(type)).body).toContain('<Response/>');
    }
    for (const type of ['disconnect', 'recordingAvailable', 'machineDetectionComplete']) {
      expect(acknowledgement(event(type))).toMatchObject({ status: 204, body: '' });
    }
  });

  it('reads every message of a list, and each recipient of one', () => {
    const message = {
      ...{ id: 'm-1', from: '+15005550006', text: '', direction: 'out' },
      to: ['+15555550142', '+15555550143'],
    };
    const of = (type: string, to: string, more: object = {}) => ({
      ...{ type, to, time: '2026-10-01T10:00:03.000Z', message, ...more },
    });
    const facts = factsOf(
      tellJson('bandwidth', [
        of('message-sending', '+15555550142'),
        of('message-failed', '+15555550142', { errorCode: 4770 }),
        of('message-failed', '+15555550143', { errorCode: 4770 }),
      ]),
    );
    expect(facts).toHaveLength(3);
    expect(new Set(facts.map(({ factId }) => factId)).size).toBe(3);
    expect(facts[1]).toMatchObject({
      ...{ kind: 'message', status: 'failed', providerCode: '4770', to: '+15555550142' },
      ...{ direction: 'outbound', body: null },
    });
  });

  it('reads opt-out words and media of a message', () => {
    const message = { id: 'm-2', from: '+15555550142', to: ['+15005550006'], text: 'Stop' };
    const media = ['https://example.com/1.png'];
    const inbound = tellJson('bandwidth', [
      { type: 'message-received', to: '+15005550006', message: { ...message, media } },
    ]);
    expect(messageOf(inbound)).toMatchObject({
      ...{ optOut: 'stop', direction: 'inbound', body: 'Stop' },
      ...{ details: { mediaCount: 1 }, personal: { mediaUrl0: 'https://example.com/1.png' } },
    });
  });

  it('keeps what it does not know', () => {
    for (const value of [{}, [], [7], 'x', { eventType: 'answer' }, [{ message: {} }]]) {
      expect(factsOf(tellJson('bandwidth', value))[0].kind).toBe('not_understood');
    }
  });
});
