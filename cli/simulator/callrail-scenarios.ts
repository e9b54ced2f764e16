// Simulator, CallRail: calls and text messages as they go in life. Chance comes in, an activity with its truth
// goes out. No field says what a delivery is about, and a call that is about to ring is called missed.

import { randomBytes } from 'node:crypto';
import type { Activity, Scenario, SimulatedProvider, Step } from './activity.js';
import { endedCall, settledMessage } from './ending.js';
import { fictionalNumber, type Random } from './random.js';

type Fields = Readonly<Record<string, unknown>>;

const iso = (ms: number): string => new Date(ms).toISOString();

function json(atMs: number, decides: boolean, fields: (startMs: number) => Fields): Step {
  return {
    ...{ atMs, decides },
    content: (startMs) => ({ type: 'json', text: JSON.stringify(fields(startMs)) }),
  };
}

interface Customer {
  readonly ref: string;
  readonly base: Fields;
}

function customer(random: Random): Customer {
  const ref = `CAL${random.hex(32)}`;
  return {
    ref,
    base: {
      ...{ resource_id: ref, id: random.between(1, 900_000_000), company_id: 155_920_786 },
      ...{ company_resource_id: 'COM00000000000000000000000000000155', company_name: 'Acme' },
      ...{ customer_phone_number: fictionalNumber(random), customer_name: 'Fixture Caller' },
      ...{ tracking_phone_number: fictionalNumber(random), direction: 'inbound', note: '' },
      ...{ first_call: true, transcription: '', tags: [], value: '' },
    },
  };
}

/** Before it rings: nothing is known yet, and everything reads as missed. */
const preCall = ({ base }: Customer): Step =>
  json(0, false, (startMs) => ({
    ...{ ...base, answered: false, call_type: 'missed', duration: '0', voicemail: false },
    ...{ business_phone_number: '', recording: '', recording_duration: null },
    ...{ start_time: iso(startMs), created_at: iso(startMs) },
  }));

function postCall(of: Customer, atMs: number, lastMs: number, how: Fields): Step {
  return json(atMs, true, (startMs) => ({
    ...{ ...of.base, business_phone_number: '+12125550177' },
    ...{ answered: false, voicemail: false, recording: '', recording_duration: null },
    ...{ duration: String(Math.round(lastMs / 1000)), start_time: iso(startMs), ...how },
    created_at: iso(startMs + atMs),
  }));
}

const answered: Scenario = (random) => {
  const of = customer(random);
  const lastMs = random.between(8000, 60_000);
  const recording = `https://app.callrail.com/calls/${of.ref}/recording/redirect`;
  const how = { answered: true, call_type: 'inbound', recording };
  const over = postCall(of, lastMs + 4000, lastMs, how);
  const tagged = { ...how, tags: ['lead'], changes: ['tags'] };
  const changed = { ...postCall(of, lastMs + 9000, lastMs, tagged), decides: false };
  const steps = [preCall(of), over, ...(random.chance(0.3) ? [changed] : [])];
  const ending = {
    scenario: 'inbound-answered',
    direction: 'inbound',
    status: 'completed',
  } as const;
  return endedCall('callrail', of.ref, steps, ending);
};

const missed: Scenario = (random) => {
  const of = customer(random);
  const lastMs = random.between(5000, 25_000);
  const steps = [preCall(of), postCall(of, lastMs + 1500, lastMs, { call_type: 'missed' })];
  const ending = { scenario: 'inbound-missed', direction: 'inbound', status: 'failed' } as const;
  return endedCall('callrail', of.ref, steps, { ...ending, cause: 'no_answer' });
};

const voicemail: Scenario = (random): Activity => {
  const of = customer(random);
  const lastMs = random.between(8000, 40_000);
  const how = { voicemail: true, call_type: 'voicemail', recording: 'https://app.callrail.com/r' };
  const steps = [preCall(of), postCall(of, lastMs + 4000, lastMs, how)];
  const ending = {
    scenario: 'inbound-voicemail',
    direction: 'inbound',
    status: 'completed',
  } as const;
  return endedCall('callrail', of.ref, steps, ending);
};

const inbox: Scenario = (random) => {
  const ref = `MSG${random.hex(32)}`;
  const content = random.pick(['Is Tuesday still fine?', 'On my way', 'Thank you!', 'STOP']);
  const parties = {
    source_number: fictionalNumber(random),
    destination_number: fictionalNumber(random),
  };
  const step = json(0, true, (startMs) => ({
    ...{ resource_id: ref, ...parties, content, direction: 'inbound', sent_at: iso(startMs) },
    ...{ company_id: 155_920_786, company_resource_id: 'COM00000000000000000000000000000155' },
  }));
  return settledMessage('callrail', ref, [step], { direction: 'inbound', status: 'received' });
};

export const simulatedCallrail: SimulatedProvider = {
  provider: 'callrail',
  calls: [answered, answered, answered, missed, voicemail],
  messages: [inbox],
  records: [],
  newAccount() {
    const account = { signingKey: randomBytes(16).toString('hex') };
    return { sender: account, endpoint: account };
  },
};
