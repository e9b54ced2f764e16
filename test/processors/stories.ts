// The stored deliveries told as the calls they belong to.

const telnyxInbound = ['1-initiated', '2-answered'].map((name) => `telnyx-voice-inbound-${name}`);

/** The stored deliveries of each story in the order in which its provider tells it. */
export const stories: Readonly<Record<string, readonly string[]>> = {
  'an inbound Twilio call that is dialled through': [
    'twilio-voice-inbound-1-request',
    'twilio-voice-inbound-2-dial-leg-initiated',
    'twilio-voice-inbound-3-dial-leg-ringing',
    'twilio-voice-inbound-4-dial-leg-answered',
    'twilio-voice-inbound-5-dial-leg-completed',
    'twilio-voice-inbound-6-dial-action',
    'twilio-voice-inbound-7-completed',
  ],
  'an inbound Twilio call that is transferred': [
    'twilio-voice-inbound-1-request',
    'twilio-voice-inbound-4-dial-leg-answered',
    'twilio-voice-transfer-dial-leg-answered',
    'twilio-voice-inbound-7-completed',
  ],
  'an inbound Twilio call whose dialled leg does not answer': [
    'twilio-voice-inbound-1-request',
    'twilio-voice-inbound-dial-leg-no-answer',
  ],
  'an inbound Twilio call in a conference': [
    'twilio-voice-inbound-1-request',
    ...['1-start', '2-participant-join', '3-participant-hold', '4-participant-unhold'].map(
      (name) => `twilio-conference-${name}`,
    ),
    'twilio-conference-5-participant-leave',
  ],
  'an outbound Twilio call': [
    'twilio-voice-outbound-1-initiated',
    'twilio-voice-outbound-2-ringing',
    'twilio-voice-outbound-3-answered',
    'twilio-voice-outbound-4-amd-human',
    'twilio-voice-outbound-5-completed',
    'twilio-voice-outbound-5-completed-duplicate',
    'twilio-recording-completed',
  ],
  'an outbound Twilio call to a machine': [
    'twilio-voice-outbound-amd-machine',
    'twilio-voice-outbound-vm-completed',
  ],
  ...Object.fromEntries(
    ['busy', 'canceled', 'failed', 'no-answer'].map((end) => [
      `an outbound Twilio call: ${end}`,
      [`twilio-voice-outbound-${end}`],
    ]),
  ),
  'an inbound Telnyx call that is held, queued and transferred': [
    ...telnyxInbound,
    'telnyx-voice-inbound-3-hold',
    'telnyx-voice-inbound-4-unhold',
    'telnyx-voice-inbound-5-enqueued',
    'telnyx-voice-inbound-6-dequeued',
    'telnyx-voice-transfer-1-legb-initiated',
    'telnyx-voice-transfer-2-legb-answered',
    'telnyx-voice-transfer-3-bridged-lega',
    'telnyx-voice-transfer-4-bridged-legb',
    'telnyx-voice-transfer-5-legb-hangup',
    'telnyx-voice-inbound-7-hangup',
  ],
  'an inbound Telnyx call that is referred': [
    ...telnyxInbound,
    'telnyx-voice-refer-1-started',
    'telnyx-voice-refer-2-completed',
  ],
  'an inbound Telnyx call whose refer fails': [
    ...telnyxInbound,
    'telnyx-voice-refer-1-started',
    'telnyx-voice-refer-failed',
  ],
  'an inbound Telnyx call that is abandoned': ['telnyx-voice-inbound-abandoned-hangup'],
  'an outbound Telnyx call to a machine': [
    'telnyx-voice-outbound-1-initiated',
    'telnyx-voice-outbound-2-answered',
    'telnyx-voice-outbound-3-amd-machine',
    'telnyx-voice-outbound-4-amd-greeting-beep',
    'telnyx-voice-outbound-6-hangup-normal',
    'telnyx-voice-outbound-6-hangup-normal-retry',
    'telnyx-voice-outbound-5-recording-saved',
    'telnyx-voice-outbound-7-cost',
  ],
  'an outbound Telnyx call to a person': [
    'telnyx-voice-outbound-1-initiated',
    'telnyx-voice-outbound-amd-premium-human',
  ],
  ...Object.fromEntries(
    [
      'call_rejected',
      'no_answer',
      'not_found',
      'originator_cancel',
      'timeout',
      'unspecified',
      'user_busy',
    ].map((cause) => [
      `an outbound Telnyx call: ${cause}`,
      [`telnyx-voice-outbound-hangup-${cause}`],
    ]),
  ),
  'an outbound Vonage call to a machine, transferred': [
    ...['1-started', '2-ringing', '3-answered', '4-machine', '5-transfer', '6-record'].map(
      (name) => `vonage-event-${name}`,
    ),
    'vonage-event-7-completed',
  ],
  'an inbound Vonage call whose application asks what to do': ['vonage-answer-get'],
  ...Object.fromEntries(
    ['busy', 'cancelled', 'failed', 'rejected', 'timeout', 'unanswered'].map((end) => [
      `an outbound Vonage call: ${end}`,
      [`vonage-event-${end}`],
    ]),
  ),
  'an outbound Plivo call to a machine': [
    'plivo-1-ring',
    'plivo-2-answer',
    'plivo-3-machine',
    'plivo-4-hangup',
    'plivo-recording',
  ],
  ...Object.fromEntries(
    ['busy', 'failed', 'no-answer'].map((end) => [
      `an outbound Plivo call: ${end}`,
      [`plivo-hangup-${end}`],
    ]),
  ),
  'a Bland call that a person answers': ['bland-post-call'],
  'a Bland call that a machine answers': ['bland-post-call-voicemail'],
  'a Bland call that nobody answers': ['bland-post-call-no-answer'],
  'an outbound Vapi call that is forwarded': [
    ...['queued', 'ringing', 'in-progress', 'forwarding'].map((name) => `vapi-status-${name}`),
    'vapi-transfer-update',
    'vapi-status-ended',
    'vapi-end-of-call-report',
  ],
  'an outbound Vapi call: busy': ['vapi-status-ended-busy'],
  'an outbound Vapi call: no answer': ['vapi-status-ended-no-answer'],
  'an outbound Retell call that is transferred': [
    'retell-call_started',
    'retell-transfer_started',
    'retell-transfer_bridged',
    'retell-call_ended',
    'retell-call_analyzed',
  ],
  'an outbound Retell call: busy': ['retell-call_ended-busy'],
  'an outbound Retell call: no answer': ['retell-call_ended-no-answer'],
  'a SIP call in a LiveKit room': [
    'livekit-room_started',
    'livekit-participant_joined-sip',
    'livekit-participant_left-sip',
    'livekit-egress_ended',
    'livekit-room_finished',
  ],
  'an inbound ElevenLabs conversation': [
    'elevenlabs-post_call_transcription',
    'elevenlabs-post_call_audio',
  ],
  'an outbound ElevenLabs call: busy': ['elevenlabs-call_initiation_failure'],
  'an outbound SignalWire call': ['signalwire-cxml-call-ringing', 'signalwire-cxml-call-completed'],
  'an inbound SignalWire call that asks for SWML': ['signalwire-swml-request'],
  'a Bandwidth call that is transferred': [
    'bandwidth-initiate',
    'bandwidth-answer',
    'bandwidth-machineDetectionComplete',
    'bandwidth-transferAnswer',
    'bandwidth-transferComplete',
    'bandwidth-disconnect',
    'bandwidth-recordingAvailable',
  ],
  'an outbound Bandwidth call: busy': ['bandwidth-disconnect-busy'],
  'an inbound CallRail call that is answered and changed later': [
    'callrail-pre-call',
    'callrail-post-call',
    'callrail-call-modified',
  ],
  'an inbound CallRail call that nobody answers': ['callrail-post-call-missed'],
  'an inbound CallRail call that leaves a voicemail': ['callrail-post-call-voicemail'],
};

/** What an `_expected.failureReason` may be called here. */
export const causes: Readonly<Record<string, readonly string[]>> = {
  busy: ['busy'],
  'no-answer': ['no_answer'],
  canceled: ['canceled'],
  failed: ['rejected', 'invalid_number', 'network', 'provider'],
};
