// Bench 20: what a policy decision costs, in this process and without anything around it. Comes in: a setting. Goes
// out: decisions per second of CPU, for numbers of one zone, of many, and for replies classified.

import { decide } from '../processors/policy/decide.js';
import { explainContext } from '../processors/policy/explain.js';
import { classifyReply } from '../processors/policy/opt-out/classify.js';
import { readKeywords } from '../processors/policy/opt-out/words.js';
import { readQuestion, type Question } from '../processors/policy/question.js';
import { loadRulebook } from '../processors/policy/rulebook.js';
import words from '../processors/policy/rules/opt-out-words.json' with { type: 'json' };
import { median } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';

const least = 30_000;

/** Decisions with every gate looked up, over two years of instants. */
export async function measurePolicy(setting: Setting): Promise<Row[]> {
  const rulebook = loadRulebook();
  const context = explainContext(rulebook);
  const codes = [...rulebook.numbering.areaCodes.keys()];
  const asked = (to: (index: number) => string): Question[] =>
    Array.from({ length: 5_000 }, (_, index) => {
      const at = new Date(Date.UTC(2026, 0, 1) + index * 12_600_000).toISOString();
      const channel = index % 2 === 0 ? 'sms' : 'voice';
      const input = { to: to(index), at, channel, purpose: 'marketing' };
      const reading = readQuestion(input, rulebook.numbering);
      if (!reading.ok) throw new Error(reading.detail);
      return reading.question;
    });
  const standing = {
    suppression: { standing: [], review: null },
    consent: { state: {}, isRequired: false },
    attempts: { past: [Date.UTC(2026, 0, 1)], caps: [] },
  };
  const decideAll = (questions: readonly Question[]) => (): number => {
    for (const question of questions) decide(question, standing, context);
    return questions.length;
  };
  const keywords = readKeywords(words);
  const replies = ['ok thanks', 'STOP', 'please don’t text me any more', 'can you stop by at 5?'];
  const classify = (): number => {
    for (let index = 0; index < 5_000; index += 1) {
      classifyReply(replies[index % replies.length] ?? '', { keywords, isAwaited: false });
    }
    return 5_000;
  };
  const anyCode = asked((index) => `+1${codes[index % codes.length] ?? ''}5550100`);
  return [
    row(setting, 'decisions: numbers of every area code', decideAll(anyCode), least),
    row(
      setting,
      'decisions: Australian mobiles (12 zones)',
      decideAll(asked(() => '+61412345678')),
      null,
    ),
    row(
      setting,
      'decisions: freephone (every zone and region)',
      decideAll(asked(() => '+18005550100')),
      null,
    ),
    row(setting, 'replies classified', classify, null),
  ];
}

/** Per second of CPU; the first run warms up. */
function row(setting: Setting, what: string, work: () => number, atLeast: number | null): Row {
  work();
  const rates = Array.from({ length: setting.size.rounds * 2 + 1 }, () => {
    const before = process.cpuUsage();
    const done = work();
    const { user, system } = process.cpuUsage(before);
    return (done * 1e6) / (user + system);
  });
  setting.note(`(20) ${what}: ${Math.round(median(rates))}/s`);
  return {
    ...{ bench: 20, what, unit: '/s of CPU', ours: median(rates), bare: null },
    ...{ target: atLeast === null ? null : { atLeast }, rounds: { ours: rates, bare: [] } },
  };
}
