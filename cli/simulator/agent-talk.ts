// Simulator: what AI agents and their callers say. Chance comes in, a conversation with its summary goes
// out. People, places and texts are fictional.

import type { Said, Step } from './activity.js';
import type { Random } from './random.js';

export interface Turn {
  readonly role: 'agent' | 'user';
  readonly text: string;
  /** Milliseconds after the answer. */
  readonly atMs: number;
}

/** A tool that the agent used, with what it got back. */
export interface ToolUse {
  readonly id: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, string>>;
  readonly result: string;
  readonly atMs: number;
}

export interface Talk {
  readonly turns: readonly Turn[];
  readonly summary: string;
  readonly tools: readonly ToolUse[];
  readonly isSuccess: boolean;
  readonly lengthMs: number;
}

interface Topic {
  readonly lines: readonly string[];
  readonly summary: string;
  readonly tool: Pick<ToolUse, 'name' | 'arguments' | 'result'> | null;
  readonly isSuccess: boolean;
}

const topics: readonly [Topic, ...Topic[]] = [
  {
    lines: [
      'Good morning, this is the front desk of Willow Dental. How can I help you?',
      'I would like to move my appointment to Thursday.',
      'I can offer Thursday at ten past three. Does that suit you?',
      'Yes, that works.',
      'Done. You will get a confirmation by text message.',
    ],
    summary: 'The caller moved an appointment to Thursday, 3:10 pm.',
    tool: {
      name: 'move_appointment',
      arguments: { day: 'Thursday', time: '15:10' },
      result: '{"status":"booked"}',
    },
    isSuccess: true,
  },
  {
    lines: [
      'Hello, Harbor Parcel here. Is this a good time to talk about your delivery?',
      'Yes, where is it?',
      'It is in the van and will be with you before noon.',
      'Great, thank you.',
    ],
    summary: 'The customer asked for a delivery and was told that it comes before noon.',
    tool: {
      name: 'find_parcel',
      arguments: { reference: 'HP-2041' },
      result: '{"stage":"in_delivery"}',
    },
    isSuccess: true,
  },
  {
    lines: [
      'Hello, I am calling from Northlight Energy about your meter reading.',
      'I have no time now, please call again tomorrow.',
      'Of course. Have a good day.',
    ],
    summary: 'The customer asked to be called again tomorrow.',
    tool: null,
    isSuccess: false,
  },
];

/** One of the conversations, at a pace of its own. */
export function talkOf(random: Random): Talk {
  const { lines, summary, tool, isSuccess } = random.pick(topics);
  let atMs = 600;
  const turns = lines.map((text, index): Turn => {
    const turn = { role: index % 2 === 0 ? 'agent' : 'user', text, atMs } as const;
    atMs += random.between(1800, 4200);
    return turn;
  });
  const used = tool === null ? [] : [{ ...tool, id: `tool_${random.hex(16)}`, atMs: 5000 }];
  return { turns, summary, tools: used, isSuccess, lengthMs: atMs };
}

/** The turns, a line each, with the words that a provider has for the two. */
export const transcriptOf = ({ turns }: Talk, agent: string, user: string): string =>
  turns.map(({ role, text }) => `${role === 'agent' ? agent : user}: ${text}`).join('\n');

/** What a receiver must find of a conversation. */
export const saidIn = (talk: Talk, transcript: string): Said => ({
  transcript,
  summary: talk.summary,
  toolCalls: talk.tools.length,
});

/** A step whose content is JSON that depends on when its activity began. */
export function jsonStep(
  atMs: number,
  decides: boolean,
  fields: (startMs: number) => Readonly<Record<string, unknown>>,
  contentType = 'application/json',
): Step {
  return {
    atMs,
    decides,
    content: (startMs) => ({ type: 'json', text: JSON.stringify(fields(startMs)), contentType }),
  };
}

export const isoTime = (ms: number): string => new Date(ms).toISOString();

/** Milliseconds from the dialling to the answer, and to the end of the conversation. */
export function pace(
  random: Random,
  talk: Talk,
): { readonly answerMs: number; readonly endMs: number } {
  const answerMs = random.between(2000, 8000);
  return { answerMs, endMs: answerMs + talk.lengthMs };
}

/** A carrier's id of the call, for providers that repeat it. */
export const carrierCall = (random: Random): string => `CA${random.hex(32)}`;
