// Sealing: nothing personal goes on in the clear, what is sealed opens at its place, and the same fact
// sealed again gives the same bytes.

import { expect, test } from 'vitest';
import { sealFacts } from '../../processors/seal.js';
import { createKeyRing, createMemoryKeyStore } from '../../runtime/keys.js';
import type { MessageFact } from '../../schemas/facts.js';
import { bodyPlace, fieldPlace } from '../../schemas/sealed.js';
import { recordIdOf } from '../../processors/record/identity.js';
import { acme, mapped, testKeyRing, twilio } from './facts.js';
import { recordFact } from './records.js';

const receivedAt = 1_790_000_000_000;
const delivery = (file: string) => ({ ...twilio, receivedAt, facts: mapped(file) });

test('a call shows masked parties, whose numbers open at their place', async () => {
  const keyRing = testKeyRing();
  const [[sealed] = []] = await sealFacts(keyRing, [delivery('twilio-voice-outbound-5-completed')]);
  if (sealed?.kind !== 'call') throw new Error('no call');
  const { from, to, personal } = sealed.fact;
  expect([from?.masked, to?.masked]).toEqual(['+1 500 ••• 0006', '+1 555 ••• 0123']);
  if (to === null) throw new Error('no party');
  const place = fieldPlace(acme, to.subjectId, 'number');
  expect(await keyRing.open(acme, [{ sealed: to.number, place }])).toEqual(['+15555550123']);
  const url = personal['recordingUrl'];
  if (url === undefined) throw new Error('no recording');
  const urlPlace = fieldPlace(acme, sealed.fact.legRef, 'personal.recordingUrl');
  expect((await keyRing.open(acme, [{ sealed: url, place: urlPlace }]))[0]).toContain('https://');
});

test('a text opens at the place its view names', async () => {
  const keyRing = testKeyRing();
  const [[sealed] = []] = await sealFacts(keyRing, [delivery('twilio-sms-inbound')]);
  if (sealed?.kind !== 'message' || sealed.fact.body === null) throw new Error('no text');
  const place = bodyPlace(acme, { messageId: sealed.messageId, from: sealed.fact.from });
  expect(await keyRing.open(acme, [{ sealed: sealed.fact.body, place }])).toEqual([
    'Hello, is table 4 free at 7pm? ',
  ]);
});

test('sealing again gives the same bytes, and the same party everywhere', async () => {
  const store = createMemoryKeyStore();
  const again = async () =>
    sealFacts(createKeyRing(Buffer.alloc(32, 1), store), [
      delivery('twilio-voice-outbound-1-initiated'),
      delivery('twilio-voice-outbound-2-ringing'),
    ]);
  const first = await again();
  expect(await again()).toEqual(first);
  const [a, b] = first.flat();
  if (a?.kind !== 'call' || b?.kind !== 'call') throw new Error('no call');
  expect(b.fact.to).toBe(a.fact.to);
});

test('a batch asks the key store once for all unknown subjects', async () => {
  const store = createMemoryKeyStore();
  let asked = 0;
  const counting = {
    ...store,
    tenantKey: store.tenantKey.bind(store),
    subjectKeysById: store.subjectKeysById.bind(store),
    dayKey: store.dayKey.bind(store),
    subjectKeys: (wanted: Parameters<typeof store.subjectKeys>[0]) => {
      asked += 1;
      return store.subjectKeys(wanted);
    },
  };
  const keyRing = createKeyRing(Buffer.alloc(32, 1), counting);
  const files = [
    'twilio-voice-outbound-busy',
    'twilio-sms-inbound',
    'twilio-voice-inbound-1-request',
  ];
  await sealFacts(keyRing, files.map(delivery));
  expect(asked).toBe(1);
  await sealFacts(keyRing, files.map(delivery));
  expect(asked).toBe(1);
});

test('a text without a party is sealed under the message’s own subject, an empty number is none', async () => {
  const keyRing = testKeyRing();
  const [fact] = mapped('twilio-sms-inbound');
  const bare = { ...(fact as MessageFact), from: '', to: null };
  const [[sealed] = []] = await sealFacts(keyRing, [{ ...twilio, receivedAt, facts: [bare] }]);
  if (sealed?.kind !== 'message') throw new Error('no message');
  expect([sealed.fact.from, sealed.fact.to]).toEqual([null, null]);
  expect(sealed.fact.body).not.toBeNull();
});

test('a field that nobody listed does not go on', async () => {
  const [fact] = mapped('twilio-voice-outbound-1-initiated');
  const odd = { ...(fact as object), caller: '+15550177' } as unknown as MessageFact;
  const sealed = await sealFacts(testKeyRing(), [{ ...twilio, receivedAt, facts: [odd] }]);
  expect(JSON.stringify(sealed)).not.toContain('5550177');
});

test('a record is sealed under its own subject, or under that of the person it is held for', async () => {
  const keyRing = testKeyRing();
  const clerk = { tenant: acme, provider: 'clerk' };
  const about = { objectType: 'user', objectRef: 'user_1' };
  const personal = { email: 'ada@example.com' };
  const [[user, member, plain] = []] = await sealFacts(keyRing, [
    {
      ...{ ...clerk, receivedAt },
      facts: [
        recordFact('a', { personal }),
        recordFact('b', { objectType: 'membership', objectRef: 'm_1', about, personal }),
        recordFact('c', { objectRef: 'user_2' }),
      ],
    },
  ]);
  if (user?.kind !== 'record' || member?.kind !== 'record' || plain?.kind !== 'record') {
    throw new Error('no record');
  }
  expect(member.recordId).not.toBe(user.recordId);
  // One key for both: who erases the user erases what the membership says of them.
  expect(member.fact.subject).toBe(user.fact.subject);
  expect(user.fact.subject).toBe(await keyRing.subjectId(acme, recordIdOf(acme, 'clerk', about)));
  expect(plain.fact).toMatchObject({ subject: null, personal: {} });
  for (const { recordId, fact } of [user, member]) {
    const sealed = fact.personal['email'];
    if (sealed === undefined) throw new Error('nothing sealed');
    expect(JSON.stringify(fact)).not.toContain('ada@');
    const place = fieldPlace(acme, recordId, 'personal.email');
    expect(await keyRing.open(acme, [{ sealed, place }])).toEqual(['ada@example.com']);
  }
});
