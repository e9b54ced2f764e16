// Every stored delivery of every provider: verifies at its own time, fails when one byte changes, and its
// fact says what was expected as far as one fact tells.

import { describe, expect, it } from 'vitest';
import { acknowledgement, mapDelivery } from '../../ingest/providers/registry.js';
import { verifyDelivery } from '../../ingest/verify.js';
import type { CallFact, MessageFact, ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import {
  endpointOf,
  rawOf,
  stored,
  storedDeliveries,
  type StoredDelivery,
} from './stored-deliveries.js';

function verified(delivery: StoredDelivery): VerifiedDelivery {
  const nowMs = delivery._signedAt * 1000;
  const outcome = verifyDelivery(rawOf(delivery), endpointOf(delivery.provider), nowMs);
  if (!outcome.ok) throw new Error(`${delivery.file}: ${outcome.code}`);
  return outcome.delivery;
}

const factsOf = (delivery: StoredDelivery) => mapDelivery(verified(delivery)).facts;
const factOf = (file: string): ProviderFact => factsOf(stored(file))[0];
const call = (file: string): CallFact => {
  const fact = factOf(file);
  if (fact.kind !== 'call') throw new Error(`${file} is ${fact.kind}`);
  return fact;
};
const message = (file: string): MessageFact => {
  const fact = factOf(file);
  if (fact.kind !== 'message') throw new Error(`${file} is ${fact.kind}`);
  return fact;
};

const failureCauses: Readonly<Record<string, readonly string[]>> = {
  busy: ['busy'],
  'no-answer': ['no_answer'],
  canceled: ['canceled'],
  failed: ['rejected', 'invalid_number', 'network', 'provider'],
};

/** What a fact says of its leg, where a hangup is read as `expected` says it ended. */
function statusOf(fact: CallFact, expected: unknown): string | null {
  if (fact.signal.type === 'status') return fact.signal.status;
  return fact.signal.type === 'hangup' ? String(expected) : null;
}

/** How many deliveries are stored of each provider: a file that is not read would not be missed. */
const counts: Readonly<Record<string, number>> = {
  clerk: 4,
  'generic-hmac': 2,
  'standard-webhooks': 2,
  stripe: 3,
  plivo: 9,
  bandwidth: 11,
  bland: 3,
  callrail: 6,
  elevenlabs: 3,
  livekit: 5,
  retell: 7,
  signalwire: 3,
  telnyx: 38,
  twilio: 45,
  vapi: 9,
  vonage: 14,
};

interface Instruction {
  readonly of: RegExp;
  readonly body: string;
  /** What everything else is answered with, without a body; 204 where it does not say. */
  readonly otherwise?: 200 | 204;
}

/** What each provider waits for where it waits for instructions. */
const instructions: Readonly<Record<string, Instruction>> = {
  twilio: {
    of: /inbound-1-request|dial-action|sms-inbound|record-action/,
    body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
  },
  vonage: { of: /answer-get/, body: '[]' },
  bandwidth: {
    of: /initiate|answer|transfer/i,
    body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
  },
  signalwire: { of: /swml/, body: '{"version":"1.0.0","sections":{"main":[]}}' },
  plivo: {
    of: /2-answer/,
    body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
    otherwise: 200,
  },
  // Reads the answers to some messages.
  vapi: { of: /./, body: '{}' },
  // Counts nothing but 200 as delivered.
  elevenlabs: { of: /./, body: '' },
};

describe('the stored deliveries', () => {
  it.each(Object.entries(counts))('of %s are %d', (name, count) => {
    expect(storedDeliveries.filter(({ provider }) => provider === name)).toHaveLength(count);
  });

  describe.each(storedDeliveries.map((delivery) => [delivery.file, delivery] as const))(
    '%s',
    (_file, delivery) => {
      it('verifies at the moment it was signed', () => {
        expect(verified(delivery).provider).toBe(delivery.provider);
      });

      it('is refused when one byte of its body changes', () => {
        // Nothing binds the body of what carries its sender's password.
        if (delivery.provider === 'bandwidth') return;
        const raw = rawOf(delivery);
        for (const at of [0, raw.body.length >> 1, raw.body.length - 1]) {
          if (at < 0 || raw.body.length === 0) continue;
          const body = Buffer.from(raw.body);
          // Bit 6 keeps `%`, `&`, `=` and `+` from turning into each other's equals.
          body[at] = (body[at] ?? 0) ^ 0x41;
          const outcome = verifyDelivery(
            rawOf(delivery, { body }),
            endpointOf(delivery.provider),
            delivery._signedAt * 1000,
          );
          expect(outcome.ok).toBe(false);
        }
      });

      it('gives the status, direction and duration that are expected of it', () => {
        const expected = delivery._expected ?? {};
        const [fact] = factsOf(delivery);
        expect(fact.kind).not.toBe('not_understood');
        if (fact.kind === 'message') {
          if (expected['optOut'] === true) expect(fact.optOut).toBe('stop');
          return;
        }
        if (fact.kind !== 'call') return;
        const status = expected['status'];
        if (status === null) expect(fact.signal.type).toBe('note');
        // A further leg of a session makes the session `transferring`: that is the fold's to say.
        const isOwn = expected['appliesTo'] === undefined && status !== 'completed-or-transferred';
        if (typeof status === 'string' && isOwn) {
          expect(statusOf(fact, status)).toBe(status);
        }
        const reason = expected['failureReason'];
        if (typeof reason === 'string' && fact.signal.type !== 'note') {
          expect(failureCauses[reason]).toContain(fact.signal.cause);
        }
        if (expected['direction'] !== undefined) expect(fact.direction).toBe(expected['direction']);
        if (expected['durationSec'] !== undefined) {
          expect(fact.durationSec).toBe(expected['durationSec']);
        }
        if (expected['seq'] !== undefined) expect(fact.order.seq).toBe(expected['seq']);
        if (expected['parent'] !== undefined) expect(fact.parentRef).toBe(expected['parent']);
        if (expected['amd'] !== undefined) {
          expect(fact.details['amd']).toBe(expected['amd']);
        }
        if (expected['beep'] !== undefined) expect(fact.details['beep']).toBe(expected['beep']);
        if (expected['recording'] === true) {
          expect(fact.details).toMatchObject({ recordingStatus: 'completed' });
          expect(fact.details['recordingId']).toBeDefined();
        }
      });

      it('is answered in the form its provider expects', () => {
        const answer = acknowledgement(verified(delivery));
        const waiting = instructions[delivery.provider];
        const waits = waiting?.of.test(delivery.file) === true;
        if (delivery._expected?.['respond'] !== undefined) expect(waits).toBe(true);
        expect(answer.status).toBe(waits ? 200 : (waiting?.otherwise ?? 204));
        expect(answer.body).toBe(waits ? waiting.body : '');
      });
    },
  );

  it('know a redelivery by its identity, not by its bytes', () => {
    for (const delivery of storedDeliveries) {
      const original = delivery._expected?.['duplicateOf'];
      if (typeof original !== 'string') continue;
      const [first] = factsOf(stored(original.replace('.json', '')));
      const [again] = factsOf(delivery);
      expect(again.factId).toBe(first.factId);
      expect(again).toEqual(first);
    }
  });

  it('have one identity each otherwise', () => {
    const originals = storedDeliveries.filter(
      ({ _expected }) => !('duplicateOf' in (_expected ?? {})),
    );
    const ids = originals.flatMap((delivery) => factsOf(delivery).map((fact) => fact.factId));
    // The analysis of a call repeats its transcript, word by word: the same fact.
    const { factId: repeated } = factsOf(stored('retell-call_analyzed'))[1] ?? {};
    expect(factsOf(stored('retell-call_ended')).map((fact) => fact.factId)).toContain(repeated);
    expect(new Set(ids).size).toBe(ids.length - 1);
  });

  it('keep every number and every text out of what is shown as it is', () => {
    for (const delivery of storedDeliveries) {
      for (const fact of factsOf(delivery)) {
        const open = { ...fact, from: null, to: null, body: null, personal: null };
        expect(JSON.stringify(open)).not.toMatch(
          /\+?1(555|500)\d{7}|https?:|Hello|table 4|Yes|onfirmed/,
        );
      }
    }
  });
});

describe('Twilio', () => {
  it('opens an inbound call with the request for instructions, before everything else', () => {
    expect(call('twilio-voice-inbound-1-request')).toMatchObject({
      signal: { type: 'status', status: 'ringing' },
      order: { phase: 0, seq: 0 },
      occurredAt: null,
      direction: 'inbound',
    });
  });

  it('reads CallDuration as seconds and Duration as billed minutes', () => {
    expect(call('twilio-voice-outbound-5-completed')).toMatchObject({
      durationSec: 42,
      providerCode: '200',
      details: { billedMinutes: 1, recordingId: 'REbfc18160908af7e3e3c3b1e24e3638cc' },
      order: { phase: 2, atUs: 1_790_848_851_000_000, seq: 3 },
    });
  });

  it('reads a GET from its URL', () => {
    expect(call('twilio-voice-status-get')).toMatchObject({
      signal: { status: 'answered' },
      order: { seq: 2 },
    });
  });

  it('keeps conference numbers apart from the progress of a call', () => {
    expect(call('twilio-conference-3-participant-hold')).toMatchObject({
      signal: { status: 'on_hold' },
      order: { phase: 1, seq: 1003 },
    });
  });

  it('gives a fact for each event of a batch', () => {
    const facts = factsOf(stored('twilio-eventstreams-batch-of-2'));
    expect(facts.map((fact) => fact.kind === 'message' && [fact.status, fact.optOut])).toEqual([
      ['sent', null],
      ['received', 'stop'],
    ]);
  });

  it('reads event data that is JSON in a string', () => {
    expect(call('twilio-eventstreams-insights-data-as-string')).toMatchObject({
      legRef: 'CAf8029b8e127fef32b7e0e4be4cae16ff',
      signal: { type: 'note', name: 'insights' },
      details: { connectSec: 42 },
    });
  });

  it('keeps the trailing space of a text', () => {
    expect(message('twilio-sms-inbound').body).toBe('Hello, is table 4 free at 7pm? ');
  });
});

describe('Telnyx', () => {
  it('keeps microseconds in the order of a call', () => {
    expect(call('telnyx-voice-outbound-1-initiated')).toMatchObject({
      order: { phase: 1, atUs: 1_790_848_800_616_122, seq: 0 },
      occurredAt: 1_790_848_800_616,
      sessionRef: 'ffb9a9f8-d71b-42d9-ad2b-69d5e5a46fba',
    });
  });

  it('leaves it to the call whether a hangup completes or fails it', () => {
    expect(call('telnyx-voice-outbound-hangup-user_busy')).toMatchObject({
      signal: { type: 'hangup', cause: 'busy' },
      providerCode: 'user_busy',
      details: { sipCode: '486' },
      durationSec: null,
      order: { phase: 2 },
    });
  });

  it('reads the outcome of a message from its recipients', () => {
    expect(message('telnyx-messaging-finalized-delivery-failed')).toMatchObject({
      status: 'undelivered',
      providerStatus: 'delivery_failed',
      providerCode: '40300',
      direction: 'outbound',
    });
  });
});
