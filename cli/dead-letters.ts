// `trunkline dead-letters`: facts that could not be processed. In: the read model. Out: tables or JSON; what
// operators do about them is in dead-letter-acts.

import { Option, type Command } from 'commander';

import {
  letterStates,
  readLetters,
  type ActItem,
  type LetterItem,
} from '../gateway/dead-letters.js';
import { TrunklineError } from '../runtime/errors.js';
import { asTenant } from '../runtime/postgres.js';
import { tenantId, type TenantId } from '../schemas/ids.js';
import { parkedClasses } from '../schemas/parking.js';
import { printRows, tenantOption } from './context.js';
import { registerActs } from './dead-letter-acts.js';
import {
  findLetter,
  withServices,
  type DeadLetterContext,
  type DeadLetterServices,
} from './dead-letter-context.js';

/** Adds `dead-letters list`, `show`, `retry` and `discard`. */
export function registerDeadLetterCommands(program: Command, context: DeadLetterContext): void {
  const letters = program
    .command('dead-letters')
    .description('facts that could not be processed: list, show, retry, discard');
  registerList(letters, context);
  registerShow(letters, context);
  registerActs(letters, context);
}

interface ListOptions {
  readonly tenant?: TenantId;
  readonly state: string;
  readonly class?: string;
  readonly code?: string;
  readonly provider?: string;
  readonly queue?: string;
  readonly limit: string;
  readonly json?: true;
}

function registerList(letters: Command, context: DeadLetterContext): void {
  letters
    .command('list')
    .description('newest first; of every tenant unless one is named')
    .option('--tenant <tenant>', 'only this tenant', tenantOption)
    .addOption(
      new Option('--state <state>', 'which ones').choices([...letterStates, 'all']).default('open'),
    )
    .addOption(new Option('--class <class>', 'only this class').choices(parkedClasses))
    .option('--code <code>', 'only this error code, e.g. decide_failed')
    .option('--provider <name>', 'only this provider')
    .option('--queue <id>', 'only what waits in this queue')
    .option('--limit <number>', 'most rows of a tenant', '50')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  $ trunkline dead-letters list --tenant acme --class bug\n  $ trunkline dead-letters list --state all --json',
    )
    .action((options: ListOptions) =>
      withServices(context, async (services) => {
        const tenants = options.tenant === undefined ? await tenantsOf(services) : [options.tenant];
        const rows: (LetterItem & { readonly tenant: TenantId })[] = [];
        for (const tenant of tenants) {
          const found = await listOf(services, tenant, options);
          rows.push(...found.map((letter) => ({ tenant, ...letter })));
        }
        printRows(context, rows, {
          json: options.json,
          columns: {
            TENANT: (row) => row.tenant,
            ID: (row) => row.id,
            STATE: (row) => row.state,
            CLASS: (row) => row.class,
            CODE: (row) => row.code,
            TRIES: (row) => String(row.attempts),
            BEHIND: (row) => String(row.queue.behind),
            ORIGIN: ({ origin }) => originText(origin),
            SINCE: (row) => seconds(row.origin.at),
          },
          empty: 'no dead letter',
        });
      }),
    );
}

const originText = ({ topic, partition, offset }: LetterItem['origin']): string =>
  `${topic}[${partition}]@${offset}`;
const seconds = (at: string): string => `${at.slice(0, 19).replace('T', ' ')}Z`;

async function tenantsOf({ database }: DeadLetterServices): Promise<readonly TenantId[]> {
  const { rows } = await database.query<{ tenant: string }>(
    'select distinct tenant_id as tenant from dead_letter_states order by 1',
  );
  return rows.map(({ tenant }) => tenantId(tenant));
}

function listOf(
  { database, log }: DeadLetterServices,
  tenant: TenantId,
  { state, code, provider, queue, limit, ...options }: ListOptions,
): Promise<readonly LetterItem[]> {
  const most = Math.trunc(Number(limit));
  if (!(most >= 1 && most <= 1_000)) {
    throw new TrunklineError('parameter_invalid', '--limit must be a whole number from 1 to 1000');
  }
  const filter = {
    states: state === 'all' ? undefined : [state],
    classes: options.class === undefined ? undefined : [options.class],
    ...{ code, provider, queue },
  };
  const placing = { tenant, partitions: log.partitions };
  return asTenant(database, tenant, (transaction) =>
    readLetters(transaction, placing, filter, { limit: most, start: null }),
  );
}

function registerShow(letters: Command, context: DeadLetterContext): void {
  letters
    .command('show')
    .description('one fact: what is known of it, why it waits, what was done about it')
    .argument('<id>', 'as `dead-letters list` shows it')
    .option('--json', 'one JSON document')
    .addHelpText('after', '\nExample:\n  $ trunkline dead-letters show evt_8kQ2…')
    .action((id: string, options: { json?: true }) =>
      withServices(context, async (services) => {
        const { tenant, letter, acts } = await findLetter(services, id);
        if (options.json === true) {
          context.print(JSON.stringify({ tenant, ...letter, acts }));
          return;
        }
        for (const line of showLines(tenant, letter, acts)) context.print(line);
      }),
    );
}

function showLines(tenant: TenantId, letter: LetterItem, acts: readonly ActItem[]): string[] {
  const { origin, queue } = letter;
  const carried = letter.carried
    ? 'kept in its event'
    : 'only in its topic, as long as that keeps it';
  return [
    `${letter.id}  ${letter.state}, ${letter.class}`,
    `  tenant    ${tenant}, ${letter.provider}`,
    `  error     ${letter.code}: ${letter.error}`,
    `  attempts  ${letter.attempts}`,
    `  origin    ${originText(origin)}, ${seconds(origin.at)}, ${letter.recordBytes} bytes, ${carried}`,
    `  delivery  ${letter.deliveryId ?? '-'} of ${letter.endpoint ?? '-'}`,
    `  queue     ${queue.id}, ${queue.behind} behind this one`,
    ...letter.facts.map(
      ({ kind, eventType, ref, from, to }) =>
        `  fact      ${kind} ${eventType} ${ref ?? '-'} ${from ?? '-'} → ${to ?? '-'}`,
    ),
    ...acts.map((act) => `  act       ${seconds(act.at)} ${actText(act)}`),
  ];
}

const actText = ({ act, actor, reason, outcome, released, remaining, failed }: ActItem): string =>
  `${act} by ${actor}: ${outcome}, ${released} released, ${remaining} left` +
  `${failed === null ? '' : `, ${failed}`} (${reason})`;
