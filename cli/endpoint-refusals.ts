// `trunkline endpoint refusals`: the last refused deliveries of an endpoint. In: the list that ingest keeps.
// Out: when, where from, which layer, the likely cause and what to set where.

import { InvalidArgumentError, type Command } from 'commander';

import { providerOf } from '../ingest/providers/registry.js';
import type { RefusalItem } from '../runtime/diagnosis-store.js';
import { causeWords, parseCause } from '../schemas/refusal-causes.js';
import type { EndpointId } from '../schemas/ids.js';
import { moment, printRows, withRegistry, type CliContext } from './context.js';

interface Options {
  readonly limit: number;
  readonly json?: true;
}

/** Adds `endpoint refusals`. */
export function registerRefusals(
  endpoint: Command,
  context: CliContext,
  endpointArgument: (text: string) => EndpointId,
): void {
  endpoint
    .command('refusals')
    .description('the last refused deliveries, why they were refused, and what to do')
    .argument('<endpoint>', 'its id', endpointArgument)
    .option('--limit <number>', 'at most this many, newest first', limitOption, 20)
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nThe last 200 of each endpoint are kept, for 7 days; the API has them as /v1/endpoints/{id}/refusals.',
    )
    .action((id: EndpointId, options: Options) =>
      withRegistry(context, 'endpoint refusals', async (store) => {
        const { provider } = await store.findEndpoint(id);
        const rows = await store.refusalsOf(id, { limit: options.limit, before: null });
        printRows(
          context,
          rows.map((row) => itemOf(row, provider)),
          {
            json: options.json,
            columns: {
              AT: (row) => moment(new Date(row.at)),
              LAYER: (row) => row.layer,
              CODE: (row) => row.code,
              CAUSE: (row) => row.cause,
              FROM: (row) => row.network,
              BYTES: (row) => String(row.bodyBytes),
              'NOT KEPT': (row) => String(row.unwritten),
            },
            empty: 'nothing was refused in the last 7 days',
          },
        );
        if (options.json !== true) explainCauses(context, rows, provider);
      }),
    );
}

function wordsOf(row: RefusalItem, provider: string): ReturnType<typeof causeWords> {
  const { title } = providerOf(provider).guide;
  const { other, looksLike, offsetMs, endpoint } = row;
  const code = parseCause(row.cause) ?? 'unknown';
  return causeWords(code, { endpoint, provider: title, other: looksLike ?? other, offsetMs });
}

const itemOf = (row: RefusalItem, provider: string) => {
  const { says, fix } = wordsOf(row, provider);
  return { ...row, at: new Date(row.at).toISOString(), because: says, fix };
};

/** Each cause once, in the order of its newest refusal. */
function explainCauses(context: CliContext, rows: readonly RefusalItem[], provider: string): void {
  const seen = new Set<string>();
  for (const row of rows) {
    if (seen.has(row.cause)) continue;
    seen.add(row.cause);
    const { says, fix } = wordsOf(row, provider);
    context.print('');
    context.print(`${row.cause}: ${says}`);
    context.print(`  ${fix}`);
  }
}

function limitOption(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('A limit is 1 to 999.');
  return Number(text);
}
