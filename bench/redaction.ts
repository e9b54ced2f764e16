// Bench 21: what redaction costs. Comes in: a setting. Goes out: MB of transcript a second of CPU for both profiles, and
// the time that it adds to a segment.

import { Redactor } from '../processors/redact/redactor.js';
import type { RedactionProfile } from '../processors/redact/rules.js';
import { median, percentiles } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';

const call =
  'thank you for calling how can I help you today. yeah hi I was calling about my bill from last month because it looks like I was charged twice for the same thing. ' +
  "okay I'm sorry to hear that let me take a look at that for you can I get your name please. sure it's Dana Whitfield. thank you Dana and can I have the phone number on the account. " +
  "it's four one five, five five five, oh one three two. perfect give me just a moment while I pull that up. " +
  "so I can see that there were two payments made on the third and the fifth and it does look like one of them was a duplicate so what I'm going to do is open a ticket with our billing team " +
  'and they will get back to you within five business days. that works for me but could you also send me something in writing. ' +
  "of course I can send a summary to the email on file is that still good. yes that's fine thanks. is there anything else I can help you with. no that's all have a good day. you too bye. ";

const piece = 64 * 1024;
const rounds = 7;

/** MB of text a second of CPU. */
function throughput(profile: RedactionProfile, text: string): number {
  const before = process.cpuUsage();
  const redactor = new Redactor({ profile });
  for (let at = 0; at < text.length; at += piece) redactor.push(text.slice(at, at + piece));
  redactor.flush();
  const { user, system } = process.cpuUsage(before);
  return Buffer.byteLength(text) / (user + system);
}

/** 99th percentile of the microseconds a segment takes. */
function segmentDelay(repeats: number): number {
  const segments = call.split('. ');
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const redactor = new Redactor();
    for (const segment of segments) {
      const begun = performance.now();
      redactor.push(segment);
      redactor.flush();
      times.push((performance.now() - begun) * 1000);
    }
  }
  return percentiles(times).p99;
}

/** Rows of both profiles and of the delay of a segment. */
export async function measureRedaction(setting: Setting): Promise<Row[]> {
  const text = call.repeat(3000);
  throughput('speech', text);
  const row = (what: string, unit: string, values: number[], target: Row['target']): Row => ({
    ...{ bench: 21, what, unit, ours: median(values), bare: null, target },
    rounds: { ours: values, bare: [] },
  });
  const times = <T>(measure: () => T): T[] => Array.from({ length: rounds }, measure);
  const rows = [
    row(
      'speech',
      'MB/s of CPU',
      times(() => throughput('speech', text)),
      { atLeast: 20 },
    ),
    row(
      'logs',
      'MB/s of CPU',
      times(() => throughput('logs', text)),
      { atLeast: 20 },
    ),
    row(
      'a segment',
      'µs, p99',
      times(() => segmentDelay(200)),
      { atMost: 2000 },
    ),
  ];
  for (const { what, unit, ours } of rows) setting.note(`(21) ${what}: ${ours.toFixed(3)} ${unit}`);
  return rows;
}
