// SignalWire: what its callbacks and events mean. (Its signatures: test/ingest/schemes/signalwire.test.ts.)

import { describe, expect, it } from 'vitest';
import { acknowledgement } from '../../../ingest/providers/registry.js';
import { callOf, factsOf, messageOf, tellForm, tellJson } from './told.js';

const call = { call_id: 'c-1', direction: 'inbound', from: '+15555550142', to: '+15005550006' };
const state = (call_state: string, more: object = {}) =>
  tellJson('signalwire', {
    ...{ event_type: 'calling.call.state', timestamp: 1_790_848_809.5 },
    params: { ...call, call_state, ...more },
  });

describe('SignalWire', () => {
  it('reads cXML callbacks as Twilio’s, with the SIP code under its own name', () => {
    const fact = callOf(
      tellForm('signalwire', {
        ...{ AccountSid: 'p-1', CallSid: 'c-1', CallStatus: 'failed', SequenceNumber: '2' },
        ...{ Timestamp: 'Thu, 01 Oct 2026 10:00:51 +0000', SipResultCode: '404' },
      }),
    );
    expect(fact).toMatchObject({
      ...{ legRef: 'c-1', providerCode: '404', order: { phase: 2, seq: 2 } },
      signal: { status: 'failed', cause: 'invalid_number' },
    });
  });

  it.each([
    ['created', { status: 'ringing' }, 0],
    ['ringing', { status: 'ringing' }, 1],
    ['answered', { status: 'answered' }, 1],
    ['ending', { type: 'note' }, 1],
  ])('reads the call state %s', (name, signal, phase) => {
    expect(callOf(state(name))).toMatchObject({
      ...{ signal, order: { phase }, occurredAt: 1_790_848_809_500 },
      ...{ direction: 'inbound', from: '+15555550142', to: '+15005550006' },
    });
  });

  it.each([
    ['hangup', 'canceled'],
    ['busy', 'busy'],
    ['noAnswer', 'no_answer'],
    ['decline', 'rejected'],
    ['cancel', 'canceled'],
    ['error', 'provider'],
  ])('leaves it to the call whether an end completes or fails it: %s', (end_reason, cause) => {
    expect(callOf(state('ended', { end_reason }))).toMatchObject({
      ...{ signal: { type: 'hangup', cause }, providerCode: end_reason, order: { phase: 2 } },
    });
  });

  it('begins an outbound call as initiated, with its parties and its parent', () => {
    const device = {
      type: 'phone',
      params: { from_number: '+15005550006', to_number: '+15555550123' },
    };
    const params = { call_id: 'c-2', call_state: 'created', direction: 'outbound', device };
    const fact = callOf(
      tellJson('signalwire', {
        event_type: 'calling.call.state',
        params: { ...params, parent: { call_id: 'c-1' } },
      }),
    );
    expect(fact).toMatchObject({
      ...{ signal: { status: 'initiated' }, parentRef: 'c-1', occurredAt: null },
      ...{ from: '+15005550006', to: '+15555550123' },
    });
  });

  it('answers a request for SWML with a document that does nothing, and events with 204', () => {
    const asked = tellJson('signalwire', { call: { ...call, call_state: 'created' }, vars: {} });
    expect(acknowledgement(asked)).toMatchObject({ status: 200 });
    expect(JSON.parse(acknowledgement(asked).body)).toEqual({
      version: '1.0.0',
      sections: { main: [] },
    });
    expect(acknowledgement(state('answered')).status).toBe(204);
    const request = { CallSid: 'c-1', CallStatus: 'ringing', Direction: 'inbound' };
    expect(acknowledgement(tellForm('signalwire', request)).body).toContain('<Response/>');
  });

  it('knows an event again, and each state of a call by itself', () => {
    expect(callOf(state('answered')).factId).toBe(callOf(state('answered')).factId);
    expect(callOf(state('answered')).factId).not.toBe(callOf(state('ringing')).factId);
  });

  it('reads recordings, and keeps what else happens in a call as notes', () => {
    const record = (name: string) =>
      callOf(
        tellJson('signalwire', {
          event_type: 'calling.call.record',
          params: { call_id: 'c-1', control_id: 'r-1', state: name, url: 'https://example.com/r' },
        }),
      );
    expect(record('finished')).toMatchObject({
      ...{ signal: { type: 'note', name: 'record' }, legRef: 'c-1' },
      details: { recordingId: 'r-1', recordingStatus: 'completed' },
      personal: { recordingUrl: 'https://example.com/r' },
    });
    expect(record('recording').details).toEqual({});
  });

  it('reads messages in both forms', () => {
    const message = { message_id: 'm-1', from_number: '+15555550142', to_number: '+15005550006' };
    const received = messageOf(
      tellJson('signalwire', {
        event_type: 'messaging.receive',
        params: { ...message, message_state: 'received', body: 'STOP', media: [] },
      }),
    );
    expect(received).toMatchObject({
      ...{ status: 'received', optOut: 'stop', from: '+15555550142', direction: 'inbound' },
    });
    const said = { ...message, message_state: 'undelivered', reason: '30003' };
    const sent = tellJson('signalwire', { event_type: 'messaging.state', params: said });
    expect(messageOf(sent)).toMatchObject({ status: 'undelivered', providerCode: '30003' });
    const form = { MessageSid: 'm-2', AccountSid: 'p-1', Body: 'stop', From: '+15555550142' };
    expect(messageOf(tellForm('signalwire', form))).toMatchObject({ optOut: 'stop' });
  });

  it('keeps what it does not know', () => {
    for (const value of [{}, [], 7, { event_type: 'x.y', params: {} }, { call: {} }]) {
      expect(factsOf(tellJson('signalwire', value))[0].kind).toBe('not_understood');
    }
    expect(factsOf(state('levitating'))[0]).toMatchObject({ legRef: 'c-1' });
  });
});
