// Command line: `trunkline policy explain` answers whether a contact is allowed and why; `trunkline policy rules`
// lists the rules and checks a rule file.

import type { Readable } from 'node:stream';
import type { Command } from 'commander';

import type { Explanation } from '../processors/policy/explain.js';
import type { Rule } from '../processors/policy/rule-file.js';
import { TrunklineError } from '../runtime/errors.js';
import { printRows } from './context.js';
import { LineWriter, readLines } from './ndjson.js';
import { readJsonFile } from './simulator/stored-delivery.js';

/** What the policy commands use of the process. */
export interface PolicyContext {
  readonly stdin: Readable;
  readonly stdout: NodeJS.WritableStream;
  print(line: string): void;
  note(line: string): void;
  setExitCode(code: number): void;
}

interface ExplainOptions {
  readonly to?: string;
  readonly at?: string;
  readonly channel: string;
  readonly purpose: string;
  readonly zone?: string;
  readonly region?: string;
  readonly line?: string;
  readonly automated?: boolean;
  readonly rules?: string;
  readonly json?: boolean;
}

/** Rules are read when a command needs them: the holidays of the world are large. */
async function openPolicy(rulesPath: string | undefined) {
  const [{ loadRulebook, readOwnRules }, { explain, explainContext, explainLine }] =
    await Promise.all([
      import('../processors/policy/rulebook.js'),
      import('../processors/policy/explain.js'),
    ]);
  const shipped = loadRulebook();
  const own =
    rulesPath === undefined ? undefined : readOwnRules(await readJsonFile(rulesPath), shipped);
  if (own?.ok === false) {
    const faults = own.faults.map(({ field, detail }) => `${field}: ${detail}`).join('\n');
    throw new TrunklineError('parameter_invalid', `--rules ${rulesPath ?? ''}:\n${faults}`);
  }
  const rulebook = own === undefined ? shipped : { ...shipped, file: own.file };
  return { rulebook, explain, explainLine, context: explainContext(rulebook) };
}

const exitCodes = { approved: 0, blocked: 1, deferred: 1 } as const;

async function explainOne(options: ExplainOptions, cli: PolicyContext): Promise<void> {
  const { rules, json, ...question } = options;
  const { explain, context } = await openPolicy(rules);
  const answer = explain(question, context);
  cli.print(json === true ? JSON.stringify(answer) : wordsOf(answer));
  cli.setExitCode(answer.error === undefined ? exitCodes[answer.verdict] : 2);
}

async function explainStream({ rules }: ExplainOptions, cli: PolicyContext): Promise<void> {
  const { explainLine, context } = await openPolicy(rules);
  const out = new LineWriter(cli.stdout);
  for await (const line of readLines(cli.stdin)) await out.write(explainLine(line, context));
  await out.flush();
}

/** For people: the verdict, the sentence, then each rule with its source and each clock. */
function wordsOf({ verdict, until, reason, rules, zones, notes }: Explanation): string {
  const lines = [
    `${verdict}${until === undefined ? '' : ` until ${until}`}: ${reason}`,
    ...rules.map(
      ({ id, version, words, source, confidence }) =>
        `  ${id} v${version} ${words}\n    ${source} (${confidence})`,
    ),
    ...zones.map(({ zone, source, local }) => `  clock ${zone}: ${local} (${source})`),
    ...(notes ?? []).map((note) => `  note: ${note}`),
  ];
  return lines.join('\n');
}

interface RulesOptions {
  readonly validate?: string;
  readonly json?: boolean;
}

async function listRules(options: RulesOptions, cli: PolicyContext): Promise<void> {
  const { loadRulebook, readOwnRules } = await import('../processors/policy/rulebook.js');
  const shipped = loadRulebook();
  const { validate, json } = options;
  if (validate === undefined) {
    if (json === true) cli.print(JSON.stringify(shipped.file));
    else printTable(shipped.file.rules, cli);
    return;
  }
  const reading = readOwnRules(await readJsonFile(validate), shipped);
  const faults = reading.ok ? [] : reading.faults;
  if (json === true) cli.print(JSON.stringify({ valid: reading.ok, faults }));
  else if (reading.ok) cli.print(`valid: ${reading.file.rules.length} rules`);
  else for (const { field, detail } of faults) cli.print(`${field}: ${detail}`);
  cli.setExitCode(reading.ok ? 0 : 1);
}

function printTable(rules: readonly Rule[], cli: PolicyContext): void {
  const columns = {
    rule: ({ id }: Rule) => id,
    v: ({ version }: Rule) => String(version),
    place: ({ country, region }: Rule) => [country ?? 'all', region].filter(Boolean).join('-'),
    channels: ({ channels }: Rule) => channels.join(' '),
    purposes: ({ purposes, automatedOnly }: Rule) =>
      `${purposes.join(' ')}${automatedOnly === true ? ', automated' : ''}`,
    confidence: ({ confidence }: Rule) => confidence,
    on: ({ enabled }: Rule) => (enabled ? 'on' : 'off'),
    source: ({ citation }: Rule) => citation,
  };
  printRows(cli, rules, { json: false, columns, empty: 'no rules' });
}

/** Adds `policy explain` and `policy rules`. */
export function registerPolicyCommands(program: Command, context: PolicyContext): void {
  const policy = program.command('policy').description('who may be contacted when, and why');
  policy
    .command('explain')
    .description('whether a contact is allowed by the clocks, until when not, and by which rules')
    .option('--to <number>', 'recipient, E.164; absent: NDJSON on standard input')
    .option('--at <instant>', 'e.g. 2026-11-01T07:30:00Z; default: now')
    .option('--channel <sms|voice>', 'how', 'sms')
    .option('--purpose <purpose>', 'marketing, service or research', 'marketing')
    .option('--zone <name>', 'time zone that the recipient stated, or that of the address')
    .option('--region <code>', 'region of the address: FL or US-FL')
    .option('--line <mobile|fixed>', 'what kind of number it is, where known')
    .option('--automated', 'a device places the call')
    .option('--no-automated', 'a person dials; not said counts as automated')
    .option('--rules <file>', 'judge by this rule file instead of the shipped one')
    .option('--json', 'one JSON line')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ trunkline policy explain --to +12125550100 --at 2026-11-01T07:30:00Z --channel sms\n' +
        '  $ trunkline policy explain < questions.ndjson > verdicts.ndjson\n' +
        'Exit codes: 0 approved, or every line was judged · 1 deferred or blocked · 2 not a question\n' +
        'NDJSON: {"id","to","at","channel","purpose","zone"?,"region"?,"line"?,"automated"?} → {"id","verdict","until"?,\n' +
        '"rules","zones","reason"}, a line each, in order. A line that cannot be judged is blocked, with "error".\n' +
        'Not legal advice: each rule says how far it can be relied on (docs/policy.md).',
    )
    .action((options: ExplainOptions) =>
      options.to === undefined
        ? explainStream(options, context)
        : explainOne({ at: new Date().toISOString(), ...options }, context),
    );
  policy
    .command('rules')
    .description('the rules of contact hours with their sources, or the faults of a rule file')
    .option('--validate <file>', 'a rule file: overlaps, gaps and unknown places by field')
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExit codes: 0 listed, or valid · 1 the file has faults')
    .action((options: RulesOptions) => listRules(options, context));
}
