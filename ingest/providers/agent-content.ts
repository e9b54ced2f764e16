// Ingest, providers: what AI agents say of their calls: transcript, summary, tool calls, analysis. Texts come
// in, facts of the call go out: notes in its timeline, every text personal, so sealed under the call.

import type { CallFact } from '../../schemas/facts.js';
import {
  bytesId,
  callFact,
  identify,
  known,
  millis,
  noteSignal,
  orderOf,
  reference,
  safeName,
  type Details,
  type FactSource,
} from './fact-base.js';

/** The call the content belongs to, and where in its order the content stands. */
export interface AgentCall {
  readonly source: FactSource;
  readonly legRef: string;
  readonly sessionRef?: string | null;
  /** When the call ended or the content was told, in microseconds; null where nothing says so. */
  readonly atUs: number | null;
}

/** The most of one text that a fact holds, in bytes of UTF-8; the whole stays in the raw delivery. */
export const maxTextBytes = 256 * 1024;
/** The most of the arguments or of the result of one tool call. */
const maxToolBytes = 16 * 1024;
/** Tool calls of one delivery that are facts of their own; the others are counted with the transcript. */
const maxToolCalls = 100;

export interface Transcript {
  readonly text: string;
  /** How many turns it has; null where the provider gives one text. */
  readonly turns?: number | null;
  readonly language?: string | null;
}

export interface ToolCall {
  /** The provider's id of this call of the tool; null where it gives none. */
  readonly id: string | null;
  readonly name: string | null;
  readonly arguments: string | null;
  readonly result: string | null;
  /** When, in microseconds; null takes the time of the content. */
  readonly atUs: number | null;
}

export interface AgentContent {
  readonly transcript?: Transcript | null;
  readonly summary?: string | null;
  readonly toolCalls?: readonly ToolCall[];
  /** What the provider or its model concluded: text, usually JSON, and what of it is harmless. */
  readonly analysis?: { readonly text: string | null; readonly details: Details } | null;
}

interface Cut {
  readonly text: string;
  /** Length of the whole in bytes; null where it is whole. */
  readonly wholeBytes: number | null;
}

/** A text of at most `maxBytes` bytes, cut between characters. */
export function cutText(text: string, maxBytes: number): Cut {
  // A UTF-16 unit is three bytes at most: short texts need no counting.
  if (text.length * 3 <= maxBytes) return { text, wholeBytes: null };
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= maxBytes) return { text, wholeBytes: null };
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return { text: bytes.toString('utf8', 0, end), wholeBytes: bytes.length };
}

/** `transcriptCut` and `transcriptBytes` beside a text that was cut. */
function cutDetails(name: string, { wholeBytes }: Cut): Details {
  return wholeBytes === null ? {} : { [`${name}Cut`]: true, [`${name}Bytes`]: wholeBytes };
}

interface Note {
  readonly name: string;
  readonly place: number;
  readonly details: Details;
  readonly personal: Readonly<Record<string, string>>;
  /** What tells this note from others of its name; by default its text, so that a text told twice is one. */
  readonly id?: readonly string[];
  readonly atUs?: number | null;
  readonly phase?: 1 | 2;
}

/** The order between the notes of one moment, after the end of the call. */
const places = { transcript: 2, summary: 3, analysis: 4 } as const;

function noteFact(call: AgentCall, note: Note): CallFact {
  const { source, legRef } = call;
  const { name, place, details, personal } = note;
  const atUs = note.atUs ?? call.atUs;
  const id = note.id ?? [bytesId(JSON.stringify([personal, details]))];
  return callFact({
    factId: identify(source, [name, legRef, ...id], name),
    eventType: name,
    occurredAt: millis(atUs),
    order: orderOf(source, note.phase ?? 2, atUs, place),
    legRef,
    sessionRef: call.sessionRef ?? null,
    signal: noteSignal(name),
    details,
    personal,
  });
}

function transcriptFact(call: AgentCall, { text, turns, language }: Transcript): CallFact {
  const cut = cutText(text, maxTextBytes);
  return noteFact(call, {
    name: 'transcript',
    place: places.transcript,
    details: {
      ...known<string | number>({ turns, language: safeName(language) }),
      ...cutDetails('transcript', cut),
    },
    personal: { transcript: cut.text },
  });
}

function summaryFact(call: AgentCall, text: string): CallFact {
  const cut = cutText(text, maxTextBytes);
  const details = cutDetails('summary', cut);
  return noteFact(call, {
    name: 'summary',
    place: places.summary,
    details,
    personal: { summary: cut.text },
  });
}

function toolFact(call: AgentCall, tool: ToolCall, at: number): CallFact {
  const given = cutText(tool.arguments ?? '', maxToolBytes);
  const result = cutText(tool.result ?? '', maxToolBytes);
  const id = reference(tool.id);
  return noteFact(call, {
    name: 'tool_call',
    place: at + 1,
    // Told when the agent asks and again with the answer: the answer is a fact more.
    id: [
      id ?? bytesId(JSON.stringify([at, tool.name, given.text])),
      tool.result === null ? '' : 'result',
    ],
    atUs: tool.atUs,
    phase: 1,
    details: {
      ...known<string>({ tool: safeName(tool.name), toolCallId: id }),
      hasResult: tool.result !== null,
      ...cutDetails('arguments', given),
      ...cutDetails('result', result),
    },
    personal: known({
      arguments: given.text === '' ? null : given.text,
      result: result.text === '' ? null : result.text,
    }),
  });
}

function analysisFact(
  call: AgentCall,
  { text, details }: { readonly text: string | null; readonly details: Details },
): CallFact {
  const cut = cutText(text ?? '', maxTextBytes);
  return noteFact(call, {
    name: 'analysis',
    place: places.analysis,
    details: { ...details, ...cutDetails('analysis', cut) },
    personal: cut.text === '' ? {} : { analysis: cut.text },
  });
}

const isText = (text: string | null | undefined): text is string =>
  text !== null && text !== undefined && text.trim() !== '';

/**
 * A fact for each thing an agent tells of a call. Identity follows the content: a transcript that a
 * later delivery repeats word by word is the same fact, one that was corrected is another.
 */
export function agentFacts(call: AgentCall, content: AgentContent): readonly CallFact[] {
  const { transcript, summary, analysis, toolCalls = [] } = content;
  const facts = toolCalls.slice(0, maxToolCalls).map((tool, at) => toolFact(call, tool, at));
  if (isText(transcript?.text)) facts.push(transcriptFact(call, transcript));
  if (isText(summary)) facts.push(summaryFact(call, summary));
  const hasAnalysis = isText(analysis?.text) || Object.keys(analysis?.details ?? {}).length > 0;
  if (hasAnalysis && analysis) facts.push(analysisFact(call, analysis));
  return facts;
}

/** An object as the text of an analysis; null for an empty one. */
export function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value === '' ? null : value;
  const text = JSON.stringify(value);
  return text === '{}' || text === '[]' ? null : text;
}
