// Calls of AI agents as Bland, Vapi, Retell, LiveKit and ElevenLabs tell them: what ended them, what was said
// in them, and what tells two deliveries apart.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutText, maxTextBytes } from '../../../ingest/providers/agent-content.js';
import { signalOfReason } from '../../../ingest/providers/vapi-reasons.js';
import { acknowledgement } from '../../../ingest/providers/registry.js';
import type { CallFact, ProviderFact } from '../../../schemas/facts.js';
import { callOf, factsOf, nowMs, tell, tellJson } from './told.js';

type Fields = Readonly<Record<string, unknown>>;

const iso = (ms: number): string => new Date(ms).toISOString();
const named = (facts: readonly ProviderFact[], eventType: string): readonly CallFact[] =>
  facts.filter((fact): fact is CallFact => fact.kind === 'call' && fact.eventType === eventType);
function oneOf(facts: readonly ProviderFact[], eventType: string): CallFact {
  const [fact, ...more] = named(facts, eventType);
  if (fact === undefined || more.length > 0) throw new Error(`${more.length} more ${eventType}`);
  return fact;
}

const agents = ['bland', 'vapi', 'retell', 'livekit', 'elevenlabs'] as const;

describe.each(agents)('%s', (provider) => {
  it('makes a fact of anything that is signed, and never a second identity of the same bytes', () => {
    const anything = fc.oneof(
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc.string(),
      fc
        .record({
          event: fc.constantFrom('call_ended', 'room_started', 'participant_left', 1, null),
          type: fc.constantFrom('post_call_audio', 'post_call_transcription', {}, null),
          call_id: fc.constantFrom('c1', '+15555550123', 7, null),
          status: fc.jsonValue(),
          end_at: fc.jsonValue(),
          call: fc.oneof(
            fc.jsonValue(),
            fc.record({ call_id: fc.constant('c1'), a: fc.jsonValue() }),
          ),
          data: fc.record({ conversation_id: fc.constant('c1'), transcript: fc.jsonValue() }),
          message: fc.record({
            type: fc.constantFrom('status-update', 'end-of-call-report', 'hang', ''),
            call: fc.record({ id: fc.constant('c1'), type: fc.jsonValue() }),
            artifact: fc.jsonValue(),
          }),
          room: fc.jsonValue(),
        })
        .map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(anything, (body) => {
        const facts = factsOf(tell(provider, { body }));
        const again = factsOf(tell(provider, { body, atMs: nowMs + 5000 }));
        expect(again.map(({ factId }) => factId)).toEqual(facts.map(({ factId }) => factId));
        expect(new Set(facts.map(({ factId }) => factId)).size).toBe(facts.length);
      }),
      { numRuns: 150 },
    );
  });

  it('is answered in the form that it counts as delivered', () => {
    const { status } = acknowledgement(tell(provider, { body: '{}' }));
    expect(status).toBe(provider === 'elevenlabs' || provider === 'vapi' ? 200 : 204);
  });
});

describe('a text', () => {
  it('is cut between characters, and its whole length told', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.nat(80), (text, bytes) => {
        const cut = cutText(text, bytes);
        expect(Buffer.byteLength(cut.text)).toBeLessThanOrEqual(bytes);
        expect(cut.text.includes('\ufffd')).toBe(text.includes('\ufffd') && cut.text !== '');
        expect(text.startsWith(cut.text)).toBe(true);
        const whole = Buffer.byteLength(text);
        expect(cut.wholeBytes).toBe(whole > bytes ? whole : null);
      }),
    );
  });

  it('that is longer than a fact holds is cut in the fact, which says so', () => {
    const long = 'ä'.repeat(maxTextBytes);
    const told = { call_id: 'c1', status: 'completed', concatenated_transcript: long };
    const fact = oneOf(factsOf(tellJson('bland', told)), 'transcript');
    expect(fact.details).toMatchObject({ transcriptCut: true, transcriptBytes: 2 * maxTextBytes });
    expect(Buffer.byteLength(fact.personal['transcript'] ?? '')).toBe(maxTextBytes);
  });
});

describe('Bland', () => {
  const told = (more: Fields = {}) => ({
    ...{ call_id: 'c1', from: '+15005550006', to: '+15555550123', inbound: true },
    ...{ status: 'completed', completed: true, end_at: iso(nowMs), ...more },
  });
  const fact = (more: Fields = {}) => callOf(tellJson('bland', told(more)));

  it('reads minutes only where no seconds are told', () => {
    expect(fact({ call_length: 1.18, corrected_duration: '71' }).durationSec).toBe(71);
    expect(fact({ call_length: 1.5 }).durationSec).toBe(90);
    expect(fact().durationSec).toBeNull();
  });

  it('fails a call that was not answered or went wrong, though it is `completed`', () => {
    const signal = (more: Fields) => fact(more).signal;
    expect(signal({ status: 'no-answer' })).toMatchObject({ status: 'failed', cause: 'no_answer' });
    expect(signal({ answered_by: 'no-answer' })).toMatchObject({ cause: 'no_answer' });
    expect(signal({ status: 'busy' })).toMatchObject({ status: 'failed', cause: 'busy' });
    expect(signal({ status: 'failed' })).toMatchObject({ status: 'failed', cause: 'provider' });
    expect(signal({ error_message: 'carrier down' })).toMatchObject({ status: 'failed' });
    expect(signal({ error_message: '' })).toMatchObject({ status: 'completed' });
    expect(signal({})).toMatchObject({ status: 'completed' });
  });

  it('keeps what is personal apart', () => {
    const one = fact({
      ...{ error_message: 'call to +15555550123 failed', transferred_to: '+15555550177' },
      ...{ recording_url: 'https://server.bland.ai/v1/recordings/1', answered_by: 'voicemail' },
    });
    expect(one.personal).toMatchObject({ transferredTo: '+15555550177' });
    expect(one.details).toMatchObject({ amd: 'machine', transferred: true, recordingId: 'c1' });
    expect(JSON.stringify([one.details, one.eventType, one.providerCode])).not.toMatch(
      /\+1555|http/,
    );
  });

  it('knows one call by its id, and an event that is streamed from its end', () => {
    expect(fact({ summary: 'a' }).factId).toBe(fact({ summary: 'b' }).factId);
    const [streamed] = factsOf(
      tellJson('bland', { call_id: 'c1', category: 'call', message: 'x' }),
    );
    expect(streamed).toMatchObject({ kind: 'not_understood', legRef: 'c1' });
  });
});

describe('Vapi', () => {
  const call = { id: 'c1', type: 'inboundPhoneCall', phoneCallProviderId: 'CA1', orgId: 'o1' };
  const message = (type: string, more: Fields = {}, atMs = nowMs) =>
    tellJson('vapi', { message: { type, timestamp: atMs, call, ...more } });

  it.each([
    ['customer-busy', { type: 'hangup', cause: 'busy' }],
    ['customer-did-not-answer', { type: 'hangup', cause: 'no_answer' }],
    ['manually-canceled', { type: 'hangup', cause: 'canceled' }],
    ['scheduled-call-deleted', { type: 'hangup', cause: 'canceled' }],
    ['call-deleted', { type: 'hangup', cause: 'canceled' }],
    [
      'call.ringing.sip-inbound-caller-hungup-before-call-connect',
      { type: 'hangup', cause: 'canceled' },
    ],
    ['twilio-failed-to-connect-call', { type: 'hangup', cause: 'network' }],
    ['twilio-reported-customer-misdialed', { type: 'hangup', cause: 'invalid_number' }],
    ['vonage-rejected', { type: 'hangup', cause: 'rejected' }],
    ['assistant-request-returned-error', { type: 'hangup', cause: 'provider' }],
    ['assistant-request-failed', { type: 'hangup', cause: 'provider' }],
    ['call.in-progress.error-providerfault-outbound-sip-486-busy-here', { cause: 'busy' }],
    ['call.in-progress.error-vapifault-openai-403-model-access-denied', { cause: 'provider' }],
    ['pipeline-error-exceeded-tokens', { type: 'hangup', cause: 'provider' }],
    ['a-reason-of-next-year', { type: 'hangup', cause: 'provider' }],
    ['customer-ended-call', { type: 'status', status: 'completed' }],
    ['assistant-said-end-call-phrase', { status: 'completed' }],
    ['assistant-forwarded-call', { status: 'completed' }],
    ['silence-timed-out', { status: 'completed' }],
    ['exceeded-max-duration', { status: 'completed' }],
    ['voicemail', { status: 'completed' }],
  ] as const)('ended because %s', (reason, signal) => {
    expect(signalOfReason(reason)).toMatchObject(signal);
    expect(
      callOf(message('status-update', { status: 'ended', endedReason: reason })),
    ).toMatchObject({
      providerCode: reason,
      order: { phase: 2 },
    });
  });

  it('says that a machine answered where the call went to voicemail', () => {
    const report = message('end-of-call-report', { endedReason: 'voicemail' });
    expect(callOf(report).details).toMatchObject({ amd: 'machine', providerCallRef: 'CA1' });
  });

  it('knows a message by call, type, status and time, since it has no id', () => {
    const id = (...of: Parameters<typeof message>) => callOf(message(...of)).factId;
    const ringing = { status: 'ringing' };
    expect(id('status-update', ringing)).toBe(id('status-update', { ...ringing, more: 1 }));
    expect(id('status-update', ringing)).not.toBe(id('status-update', { status: 'queued' }));
    expect(id('status-update', ringing)).not.toBe(id('status-update', ringing, nowMs + 1));
  });

  it('makes one note of a call of what is told many times a second', () => {
    const notes = ['speech-update', 'model-output', 'conversation-update', 'user-interrupted'];
    for (const type of notes) {
      const [a, b] = [message(type, { status: 'started' }), message(type, {}, nowMs + 700)];
      expect(callOf(a)).toMatchObject({ signal: { type: 'note' }, factId: callOf(b).factId });
    }
    const partial = { transcriptType: 'partial', role: 'user', transcript: 'Goo' };
    const first = callOf(message('transcript', partial));
    expect(first.factId).toBe(callOf(message('transcript', partial, nowMs + 50)).factId);
    expect(first.personal).toEqual({});
  });

  it('keeps each final transcript, by whichever name it comes', () => {
    const final = { transcriptType: 'final', role: 'user', transcript: 'Good morning' };
    for (const type of ['transcript', 'transcript[transcriptType="final"]']) {
      expect(callOf(message(type, final))).toMatchObject({
        signal: { type: 'note', name: 'transcript' },
        personal: { transcript: 'Good morning' },
        details: { role: 'user' },
      });
    }
  });

  it('tells a tool call when it is made and again with its result', () => {
    const tool = { id: 'tool_1', function: { name: 'book', arguments: '{"day":"Thursday"}' } };
    const asked = oneOf(factsOf(message('tool-calls', { toolCallList: [tool] })), 'tool_call');
    expect(asked).toMatchObject({
      details: { tool: 'book', toolCallId: 'tool_1', hasResult: false },
      personal: { arguments: '{"day":"Thursday"}' },
    });
    const messages = [
      { role: 'tool_calls', time: nowMs, toolCalls: [tool] },
      { role: 'tool_call_result', time: nowMs + 9, toolCallId: 'tool_1', result: 'booked' },
      { role: 'bot', message: 'Done.', time: nowMs + 20 },
    ];
    const report = factsOf(message('end-of-call-report', { artifact: { messages } }));
    const answered = oneOf(report, 'tool_call');
    expect(answered).toMatchObject({
      details: { hasResult: true },
      personal: { result: 'booked' },
    });
    expect(answered.factId).not.toBe(asked.factId);
    expect(answered.order).toMatchObject({ phase: 1, atUs: nowMs * 1000 });
  });

  it('does not understand what names no call, or is of a type that nobody knows', () => {
    const [chat] = factsOf(tellJson('vapi', { message: { type: 'chat.created', chat: {} } }));
    expect(chat).toMatchObject({ kind: 'not_understood', legRef: null });
    const [odd] = factsOf(message('weather-report'));
    expect(odd).toMatchObject({
      kind: 'not_understood',
      legRef: 'c1',
      eventType: 'weather-report',
    });
  });
});

describe('Retell', () => {
  const event = (name: string, call: Fields = {}, more: Fields = {}, atMs = nowMs) =>
    tellJson('retell', { event: name, call: { call_id: 'c1', ...call }, ...more }, { atMs });
  const endOf = (reason: string, call_status: string, duration_ms = 0) =>
    callOf(event('call_ended', { disconnection_reason: reason, call_status, duration_ms })).signal;

  it.each([
    ['dial_busy', 'busy'],
    ['dial_no_answer', 'no_answer'],
    ['user_declined', 'no_answer'],
    ['dial_failed', 'network'],
    ['invalid_destination', 'invalid_number'],
    ['telephony_provider_permission_denied', 'network'],
    ['sip_routing_error', 'network'],
    ['concurrency_limit_reached', 'provider'],
    ['no_valid_payment', 'provider'],
    ['error_llm_websocket_open', 'provider'],
    ['registered_call_timeout', 'canceled'],
    ['manual_stopped', 'canceled'],
    ['a_reason_of_next_year', 'provider'],
  ] as const)('fails what never connected: %s', (reason, cause) => {
    expect(endOf(reason, 'not_connected')).toMatchObject({ status: 'failed', cause });
  });

  it('completes what was connected, whatever ended it', () => {
    for (const reason of ['user_hangup', 'agent_hangup', 'call_transfer', 'voicemail_reached']) {
      expect(endOf(reason, 'ended', 5000)).toMatchObject({ status: 'completed' });
    }
    expect(endOf('error_asr', 'ended', 5000)).toMatchObject({ status: 'completed' });
    expect(endOf('error_asr', 'error')).toEqual({ type: 'hangup', cause: 'provider' });
  });

  it('places a transfer where it was signed, the only time that it tells', () => {
    const to = { transfer_destination: '+15555550177', transfer_option: 'cold_transfer' };
    const started = callOf(event('transfer_started', {}, to));
    expect(started).toMatchObject({
      occurredAt: nowMs,
      personal: { transferredTo: '+15555550177' },
    });
    const again = callOf(event('transfer_started', {}, to, nowMs + 4000));
    expect(again.factId).toBe(started.factId);
    const other = callOf(event('transfer_started', {}, { transfer_destination: '+15555550178' }));
    expect(other.factId).not.toBe(started.factId);
  });

  it('notes each growth of the transcript, and keeps its text once, at the end', () => {
    const update = (transcript: string) => callOf(event('transcript_updated', { transcript }));
    expect(update('Agent: Hi').factId).not.toBe(update('Agent: Hi\nUser: Yes').factId);
    expect(update('Agent: Hi')).toMatchObject({ signal: { type: 'note' }, personal: {} });
    const over = { call_status: 'ended', transcript: 'Agent: Hi', end_timestamp: nowMs };
    const atEnd = oneOf(factsOf(event('call_ended', over)), 'transcript');
    const analysed = oneOf(factsOf(event('call_analyzed', over)), 'transcript');
    expect(analysed).toEqual(atEnd);
  });

  it('reads success, voicemail and mood of an analysis, and keeps its text sealed', () => {
    const call_analysis = {
      ...{ call_summary: 'All is well.', in_voicemail: true, call_successful: false },
      ...{ user_sentiment: 'Negative', custom_analysis_data: { pet: 'Whiskers' } },
    };
    const facts = factsOf(event('call_analyzed', { call_analysis }));
    expect(facts[0]).toMatchObject({ signal: { type: 'note' }, details: { amd: 'machine' } });
    expect(oneOf(facts, 'summary').personal).toEqual({ summary: 'All is well.' });
    const analysis = oneOf(facts, 'analysis');
    expect(analysis.details).toEqual({ success: false, voicemail: true, sentiment: 'Negative' });
    expect(analysis.personal['analysis']).toContain('Whiskers');
  });
});

describe('LiveKit', () => {
  const room = { sid: 'RM_1', name: 'lobby' };
  const attributes = {
    ...{ 'sip.callID': 'SCL_1', 'sip.phoneNumber': '+15555550142', 'sip.trunkID': 'ST_1' },
    'sip.trunkPhoneNumber': '+15005550006',
  };
  let count = 0;
  const event = (name: string, more: Fields) => {
    count += 1;
    return tellJson('livekit', {
      ...{ event: name, id: `EV_${count}`, createdAt: String(nowMs / 1000), room, ...more },
    });
  };
  const phone = (status: string | null, more: Fields = {}, kind: string | undefined = 'SIP') => ({
    participant: {
      ...{ sid: 'PA_1', kind, attributes: { ...attributes, 'sip.callStatus': status } },
      ...more,
    },
  });

  it.each([
    ['dialing', 'initiated'],
    ['ringing', 'ringing'],
    ['active', 'answered'],
    ['automation', 'answered'],
  ])('a telephone joins %s', (status, expected) => {
    expect(callOf(event('participant_joined', phone(status)))).toMatchObject({
      ...{ legRef: 'SCL_1', sessionRef: 'RM_1', signal: { type: 'status', status: expected } },
    });
  });

  it.each([
    ['USER_UNAVAILABLE', { type: 'hangup', cause: 'no_answer' }],
    ['USER_REJECTED', { type: 'hangup', cause: 'busy' }],
    ['SIP_TRUNK_FAILURE', { type: 'hangup', cause: 'network' }],
    ['CLIENT_INITIATED', { type: 'status', status: 'completed' }],
    ['ROOM_DELETED', { type: 'status', status: 'completed' }],
  ])('a telephone leaves because of %s', (disconnectReason, signal) => {
    const left = callOf(event('participant_left', phone('hangup', { disconnectReason })));
    expect(left).toMatchObject({ signal, providerCode: disconnectReason, order: { phase: 2 } });
  });

  it('takes calls in by a dispatch rule, and makes all others itself', () => {
    const joined = (more: Fields) =>
      callOf(
        event('participant_joined', { participant: { attributes: { ...attributes, ...more } } }),
      );
    expect(joined({ 'sip.ruleID': 'SDR_1' })).toMatchObject({
      ...{ direction: 'inbound', from: '+15555550142', to: '+15005550006' },
    });
    expect(joined({})).toMatchObject({
      ...{ direction: 'outbound', from: '+15005550006', to: '+15555550142' },
    });
  });

  it('notes everything else in the call of its room', () => {
    const egress = { egressInfo: { egressId: 'EG_1', roomId: 'RM_1', status: 'EGRESS_ACTIVE' } };
    const told = [
      event('participant_joined', { participant: { sid: 'PA_2', kind: 'AGENT' } }),
      event('participant_left', { participant: { sid: 'PA_3' } }),
      event('track_published', { participant: { sid: 'PA_2' }, track: { sid: 'TR_1' } }),
      event('egress_started', { room: undefined, ...egress }),
      event('ingress_started', { room: undefined, ingressInfo: { state: { roomId: 'RM_1' } } }),
      event('agent_job_started', { room: undefined, job: { room } }),
    ];
    for (const delivery of told) {
      expect(callOf(delivery)).toMatchObject({
        ...{ legRef: 'RM_1', sessionRef: 'RM_1', signal: { type: 'note' } },
      });
    }
  });

  it('reads times of an egress as nanoseconds', () => {
    const [file] = [{ duration: '50000000000', size: '400000', location: 'https://s/x.ogg' }];
    const egressInfo = { egressId: 'EG_1', roomId: 'RM_1', status: 'EGRESS_COMPLETE' };
    const ended = callOf(
      event('egress_ended', { egressInfo: { ...egressInfo, fileResults: [file] } }),
    );
    expect(ended.details).toMatchObject({ recordingSec: 50, recordingStatus: 'completed' });
    expect(ended.occurredAt).toBe(nowMs);
  });

  it('hides no numbers where the trunk does, and shows no identity of anybody', () => {
    const joined = callOf(
      event('participant_joined', {
        participant: {
          ...{ sid: 'PA_1', kind: 'SIP', identity: 'sip_15555550142', name: 'Phone 0142' },
          attributes: { 'sip.callID': 'SCL_1', 'sip.callStatus': 'ringing' },
        },
      }),
    );
    expect(joined).toMatchObject({ from: null, to: null });
    expect(JSON.stringify(joined)).not.toContain('0142');
  });
});

describe('ElevenLabs', () => {
  const event = (type: string, data: Fields, at = nowMs / 1000) =>
    tellJson('elevenlabs', {
      ...{ type, event_timestamp: at, data: { conversation_id: 'conv_1', ...data } },
    });

  it('ends a call when its seconds had passed, not when it was told', () => {
    const start = nowMs / 1000 - 100;
    const metadata = { start_time_unix_secs: start, call_duration_secs: 42 };
    expect(callOf(event('post_call_transcription', { metadata }))).toMatchObject({
      ...{ durationSec: 42, occurredAt: (start + 42) * 1000 },
      signal: { type: 'status', status: 'completed' },
    });
  });

  it('gives turns, tools with their results, findings and language', () => {
    const tool_calls = [{ request_id: 'r1', tool_name: 'book', params_as_json: '{"day":1}' }];
    const facts = factsOf(
      event('post_call_transcription', {
        metadata: { start_time_unix_secs: nowMs / 1000, main_language: 'de' },
        transcript: [
          { role: 'agent', message: 'Hallo', time_in_call_secs: 0 },
          { role: 'agent', message: null, time_in_call_secs: 3, tool_calls },
          {
            role: 'agent',
            message: null,
            tool_results: [{ request_id: 'r1', result_value: 'ok' }],
          },
        ],
        analysis: {
          ...{ call_successful: 'failure', transcript_summary: 'A greeting.' },
          data_collection_results: { name: { value: 'Ada' } },
        },
      }),
    );
    expect(oneOf(facts, 'transcript')).toMatchObject({
      ...{ personal: { transcript: 'agent: Hallo' }, details: { turns: 3, language: 'de' } },
    });
    expect(oneOf(facts, 'tool_call')).toMatchObject({
      ...{ occurredAt: nowMs + 3000, personal: { arguments: '{"day":1}', result: 'ok' } },
    });
    expect(oneOf(facts, 'summary').personal).toEqual({ summary: 'A greeting.' });
    expect(oneOf(facts, 'analysis')).toMatchObject({ details: { success: 'failure' } });
    expect(oneOf(facts, 'analysis').personal['analysis']).toContain('Ada');
  });

  it('fails a call that never began, by its reason or the carrier’s code', () => {
    const failure = (failure_reason: string, body: Fields = {}) =>
      callOf(event('call_initiation_failure', { failure_reason, metadata: { type: 'sip', body } }));
    expect(failure('busy').signal).toMatchObject({ status: 'failed', cause: 'busy' });
    expect(failure('no-answer').signal).toMatchObject({ cause: 'no_answer' });
    expect(failure('unknown').signal).toMatchObject({ cause: 'provider' });
    expect(failure('unknown', { sip_status_code: 603 }).signal).toMatchObject({
      cause: 'rejected',
    });
  });

  it('takes the sound out of a large delivery without reading it, wherever it stands', () => {
    const sound = Buffer.alloc(90_000, 7).toString('base64');
    for (const data of [
      { full_audio: sound, agent_id: 'agent_1' },
      { agent_id: 'agent_1', full_audio: sound },
    ]) {
      const fact = callOf(event('post_call_audio', data));
      expect(fact.signal).toEqual({ type: 'note', name: 'recording' });
      expect(fact.details).toMatchObject({ recordingBytes: 90_000, agent: 'agent_1' });
    }
    const small = callOf(event('post_call_audio', { full_audio: 'AAAA' }));
    expect(small.details).toMatchObject({ recordingBytes: 3 });
  });

  it('reads a large text that speaks of sound as the text it is', () => {
    const said = `He said "full_audio":"${'x'.repeat(70_000)}`;
    const transcript = [{ role: 'user', message: said }];
    const facts = factsOf(event('post_call_transcription', { transcript }));
    expect(oneOf(facts, 'transcript').personal['transcript']).toBe(`user: ${said}`);
  });

  it('tells two events of one conversation apart by type and time', () => {
    const id = (type: string, at?: number) => callOf(event(type, {}, at)).factId;
    const at = nowMs / 1000 + 1;
    expect(id('post_call_audio')).not.toBe(id('post_call_audio', at));
    expect(id('post_call_audio')).not.toBe(id('call_initiation_failure'));
  });

  it('does not understand what is about a voice', () => {
    const [voice] = factsOf(
      tellJson('elevenlabs', { type: 'voice_removed', data: { voice_id: 'v' } }),
    );
    expect(voice).toMatchObject({ kind: 'not_understood', legRef: null });
  });
});
