// Simulator, Telnyx: single webhooks in their envelope. A leg and a moment come in, a step goes out. The
// event id stays the same over attempts, as Telnyx's does.

import type { Step } from './activity.js';
import type { Random } from './random.js';

export interface TelnyxLeg {
  readonly legId: string;
  readonly sessionId: string;
  readonly controlId: string;
  readonly from: string;
  readonly to: string;
}

/** What one event says beside its leg. */
export interface TelnyxEventParts {
  readonly type: string;
  readonly atMs: number;
  readonly payload?: Readonly<Record<string, unknown>>;
  readonly decides?: boolean;
}

const connectionId = '1684641123236054244';

function envelope(
  id: string,
  { type, atMs, decides = true }: TelnyxEventParts,
  payload: (startMs: number) => Readonly<Record<string, unknown>>,
): Step {
  return {
    atMs,
    decides,
    content: (startMs, attempt) => ({
      type: 'json',
      text: JSON.stringify({
        data: {
          event_type: type,
          id,
          occurred_at: new Date(startMs + atMs).toISOString().replace('Z', '122Z'),
          payload: payload(startMs),
          record_type: 'event',
        },
        meta: { attempt, delivered_to: 'https://hooks.example.com/v1/webhooks' },
      }),
    }),
  };
}

/** A Call Control event of a leg. */
export function telnyxCallEvent(random: Random, leg: TelnyxLeg, parts: TelnyxEventParts): Step {
  return envelope(random.uuid(), parts, (startMs) => ({
    call_control_id: leg.controlId,
    call_leg_id: leg.legId,
    call_session_id: leg.sessionId,
    client_state: null,
    connection_id: connectionId,
    from: leg.from,
    to: leg.to,
    start_time: new Date(startMs).toISOString(),
    ...parts.payload,
  }));
}

export interface TelnyxMessage {
  readonly id: string;
  readonly direction: 'inbound' | 'outbound';
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

/** A message event; `status` is the recipient's. */
export function telnyxMessageEvent(
  random: Random,
  message: TelnyxMessage,
  parts: TelnyxEventParts & { readonly status: string },
): Step {
  return envelope(random.uuid(), parts, () => ({
    direction: message.direction,
    encoding: 'GSM-7',
    errors: [],
    from: { phone_number: message.from, carrier: 'Example Carrier', line_type: 'Wireless' },
    id: message.id,
    media: [],
    parts: 1,
    record_type: 'message',
    text: message.text,
    to: [{ phone_number: message.to, status: parts.status }],
    type: 'SMS',
    ...parts.payload,
  }));
}
