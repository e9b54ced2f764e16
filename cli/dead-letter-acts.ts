// `trunkline dead-letters retry` and `discard`. In: a dead letter and why. Out: acts, which are facts in the log,
// waited for until the processors have said what came of them.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

import type { Command } from 'commander';

import { readLetters, type ActItem, type LetterItem } from '../gateway/dead-letters.js';
import { actFact, FactAppender } from '../log/own-facts.js';
import { systemClock } from '../runtime/clock.js';
import { TrunklineError } from '../runtime/errors.js';
import { asTenant } from '../runtime/postgres.js';
import { reasonFault } from '../schemas/act-reason.js';
import type { ActName } from '../schemas/facts.js';
import type { TenantId } from '../schemas/ids.js';
import { durationOption } from './context.js';
import {
  findLetter,
  withServices,
  type DeadLetterContext,
  type DeadLetterServices,
} from './dead-letter-context.js';

/** Beside 0 and 1: a fact failed again and waits still; nobody has said yet what came of the act. */
export const actExitCodes = { stillParked: 3, undecided: 4 } as const;

/** Adds `retry` and `discard`. */
export function registerActs(letters: Command, context: DeadLetterContext): void {
  registerAct(letters, context, {
    act: 'retry',
    description: 'decide a fact and what waits in its queue again, in order',
    more: retryHelp,
  });
  registerAct(letters, context, {
    act: 'discard',
    description: 'let go of a fact for good; what waits behind it is decided',
    more: discardHelp,
  });
}

const retryHelp = `
Examples:
  $ trunkline dead-letters retry evt_8kQ2… --reason "rule mended in 1.4.2, OPS-311"
  $ trunkline dead-letters list --json --class bug | jq -r '.[].id' | \\
      xargs -I{} trunkline dead-letters retry {} --reason "OPS-311"
Exit codes: 0 nothing of the queue is left · 1 failed · 2 a wrong option · 3 a fact failed again and holds
up the rest · 4 the act is in the log, but no processor has decided it within --wait · 69 a service is away`;

const discardHelp = `
Example:
  $ trunkline dead-letters discard evt_8kQ2… --reason "test traffic, OPS-312" --yes
The fact is never applied. Who and why stand in the log for good. Exit codes as for retry.`;

interface ActOptions {
  readonly reason: string;
  readonly actor: string;
  readonly wait: number;
  readonly yes?: true;
  readonly json?: true;
}

interface ActCommand {
  readonly act: ActName;
  readonly description: string;
  readonly more: string;
}

function registerAct(letters: Command, context: DeadLetterContext, command: ActCommand): void {
  const { act, description, more } = command;
  const registered = letters
    .command(act)
    .description(description)
    .argument('<id>', 'as `dead-letters list` shows it; any fact of a queue stands for its queue')
    .requiredOption('--reason <words>', 'why; stands in the log for good, so no number, no address')
    .option('--actor <id>', 'who, as an id of yours; never a name', 'cli')
    .option('--wait <duration>', 'how long the outcome is waited for', durationOption, 30_000);
  if (act === 'discard') registered.option('--yes', 'do not ask');
  registered
    .option('--json', 'one JSON document')
    .addHelpText('after', more)
    .action((id: string, options: ActOptions) =>
      withServices(context, (services) => carryOut(context, services, { act, id, options })),
    );
}

interface Asked {
  readonly act: ActName;
  readonly id: string;
  readonly options: ActOptions;
}

async function carryOut(
  context: DeadLetterContext,
  services: DeadLetterServices,
  { act, id, options }: Asked,
): Promise<void> {
  requireWords(options);
  const { tenant, letter } = await findLetter(services, id);
  if (letter.state !== 'open') {
    throw new TrunklineError(
      'dead_letter_closed',
      `${id} was ${letter.state}: nothing is left to do`,
    );
  }
  if (act === 'discard' && !(await isConfirmed(context, letter, options))) {
    context.note('nothing was done');
    context.setExitCode(1);
    return;
  }
  const { log, codec, keyRing } = services;
  const appender = new FactAppender({ log, codec, keyRing, clock: systemClock });
  try {
    const told = await actUntilDone({ context, services, appender, tenant }, { act, id, options });
    tell(context, told, options);
  } finally {
    await appender.close();
  }
}

function requireWords({ reason, actor }: ActOptions): void {
  const fault = reasonFault(reason);
  if (fault !== null) throw new TrunklineError('parameter_invalid', `--reason ${fault}`);
  if (/^[\w.:-]{1,80}$/.test(actor) && !/\d{7}/.test(actor)) return;
  const detail =
    '--actor must be an id of letters, digits and ".:-_", not a name, number or address';
  throw new TrunklineError('parameter_invalid', detail);
}

async function isConfirmed(
  { confirm }: DeadLetterContext,
  letter: LetterItem,
  { yes }: ActOptions,
): Promise<boolean> {
  if (yes === true) return true;
  const what = letter.facts.map(({ kind, eventType }) => `${kind} ${eventType}`).join(', ');
  const answer = await confirm(`Discard ${letter.id} (${what || letter.code}) for good?`);
  if (answer !== null) return answer;
  throw new TrunklineError('parameter_invalid', 'nobody can be asked here: say --yes');
}

interface Acting {
  readonly context: DeadLetterContext;
  readonly services: DeadLetterServices;
  readonly appender: FactAppender;
  readonly tenant: TenantId;
}

interface Told {
  readonly id: string;
  readonly state: LetterItem['state'];
  readonly released: number;
  readonly remaining: number;
  readonly failed: string | null;
  /** False: in the log, but nobody has decided it yet. */
  readonly isDecided: boolean;
}

/**
 * One act, and more of them while each releases as much as a batch of the log holds. The first is about the
 * fact that was named, those that follow about what is left of its queue.
 */
async function actUntilDone(acting: Acting, { act, id, options }: Asked): Promise<Told> {
  const { appender, tenant, services, context } = acting;
  const request = randomUUID();
  const until = Date.now() + options.wait;
  let released = 0;
  let about = id;
  for (let turn = 1; ; turn += 1) {
    const doing = turn === 1 ? act : 'retry';
    const asked = { act: doing, about, actor: options.actor, reason: options.reason.trim() };
    const fact = actFact(tenant, asked, `${request}:${turn}`);
    await appender.append([fact]);
    const outcome = await outcomeOf(acting, { about, actId: fact.fact.factId, until });
    const { letter } = await findLetter(services, id);
    const { state } = letter;
    if (outcome === null) {
      return {
        id,
        state,
        released,
        remaining: letter.queue.behind,
        failed: null,
        isDecided: false,
      };
    }
    released += outcome.released;
    const { remaining, failed } = outcome;
    const [next] = await openIn(acting, letter.queue.id);
    const goesOn = remaining > 0 && failed === null && outcome.released > 0 && next !== undefined;
    if (!goesOn || context.signal.aborted) {
      return { id, state, released, remaining, failed, isDecided: true };
    }
    about = next.id;
  }
}

const lookEveryMs = 100;

/** What the read model says of an act; null when it says nothing in time. */
async function outcomeOf(
  { services, context }: Acting,
  wanted: { readonly about: string; readonly actId: string; readonly until: number },
): Promise<ActItem | null> {
  for (;;) {
    const { acts } = await findLetter(services, wanted.about);
    const found = acts.find(({ actId }) => actId === wanted.actId);
    if (found !== undefined) return found;
    if (Date.now() >= wanted.until || context.signal.aborted) return null;
    await pause(lookEveryMs);
  }
}

function openIn({ services, tenant }: Acting, queue: string): Promise<readonly LetterItem[]> {
  const { database, log } = services;
  return asTenant(database, tenant, (transaction) =>
    readLetters(
      transaction,
      { tenant, partitions: log.partitions },
      { states: ['open'], queue },
      { limit: 1, start: null },
    ),
  );
}

function tell(context: DeadLetterContext, told: Told, { json }: ActOptions): void {
  const { id, state, released, remaining, failed, isDecided } = told;
  if (!isDecided) context.setExitCode(actExitCodes.undecided);
  else if (failed !== null || state === 'open') context.setExitCode(actExitCodes.stillParked);
  if (json === true) {
    context.print(JSON.stringify(told));
    return;
  }
  if (!isDecided) {
    context.print(`${id}: the act is in the log; no processor has decided it yet`);
    return;
  }
  const why = failed === null ? '' : `; ${failed} holds them up`;
  context.print(`${id}: ${state}; ${released} released, ${remaining} still parked${why}`);
}
