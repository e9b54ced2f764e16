// Command line: the pages of docs/providers, made from the providers' own files and from what `endpoint show`
// prints. In: a provider. Out: Markdown; a test holds the files to it.

import { providerNames, providerOf } from '../ingest/providers/registry.js';
import { stepsOf } from './endpoint-show.js';

const sampleUrl = 'https://hooks.example.com/v1/webhooks/ep_…';

/** Names of the credentials without which nothing can be verified. */
const required = (name: string): string[] =>
  Object.entries(providerOf(name).guide.credentials)
    .filter(([, where]) => !where.startsWith('optional'))
    .map(([credential]) => credential);

const firstUpper = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** How its verification is judged, as a sentence. */
const judged = (name: string): string => {
  const { judgedBy } = providerOf(name).guide;
  return judgedBy === null
    ? 'There is no official verifier to judge ours by; vectors made from the documentation do.'
    : `Judged in the tests by the official SDK: ${judgedBy}.`;
};

function networks(name: string): string {
  const { addressRanges } = providerOf(name);
  if (addressRanges.length === 0) {
    return 'No networks are published for these webhooks: leave `--allow` away.';
  }
  const list = addressRanges.map((range) => `\`${range}\``).join(', ');
  return `Published networks, which \`--allow provider\` stands for: ${list}.`;
}

/** How to connect one provider, for whoever has never used Trunkline. */
export function providerPage(name: string): string {
  const { guide } = providerOf(name);
  const credentials = required(name).map((credential) => ` --credential ${credential}=…`);
  const rows = Object.entries(guide.credentials).map(
    ([credential, where]) => `| \`${credential}\` | ${where.replaceAll('|', '\\|')} |`,
  );
  return [
    `# ${guide.title}`,
    `${firstUpper(guide.covers.join(', '))}. ${guide.verified} ${judged(name)}`,
    '```sh\n' +
      'npx trunkline tenant add acme\n' +
      `npx trunkline endpoint add --tenant acme --provider ${name}${credentials.join('')}\n` +
      'npx trunkline endpoint test ep_…   # signs a delivery, sends it here, explains each layer\n' +
      '```',
    `The second line prints the URL (here \`${sampleUrl}\`); \`npx trunkline endpoint show ep_…\` prints these steps with it:`,
    stepsOf(name, sampleUrl)
      .map((step, index) => `${index + 1}. ${step}`)
      .join('\n'),
    ['| Credential | What it is |', '| --- | --- |', ...rows].join('\n'),
    `${networks(name)} A refused delivery stands in \`npx trunkline endpoint refusals ep_…\` with its likely cause; what is answered to what: [answers](answers.md).`,
  ].join('\n\n');
}

/** The list of all providers: what is covered, what is verified, and by which version of what it is judged. */
export function providerTable(pages: string): string {
  const rows = providerNames.map((name) => {
    const { title, covers, verified, judgedBy } = providerOf(name).guide;
    return `| [${title}](${pages}${name}.md) | ${covers.join(', ')} | ${verified} | ${judgedBy ?? '–'} |`;
  });
  const head = '| Provider | Covers | What is verified | Judged by |\n| --- | --- | --- | --- |';
  return [head, ...rows].join('\n');
}

/** docs/providers/README.md. */
export const providerIndex = (): string =>
  [
    '# Providers',
    'Who can deliver to Trunkline, what the signature of each covers and which time window holds, and the official\nSDK whose verifier judges ours in the tests (`–`: there is none). Made from `ingest/providers/*.ts`.',
    providerTable(''),
    'A delivery is known by its signed bytes: the same one twice is applied once and recorded as a duplicate. What is\nanswered when something is wrong: [answers](answers.md). Why a delivery was refused:\n`npx trunkline endpoint refusals ep_…`, or `npx trunkline webhook check` for a stored one. To add a provider:\nits file in `ingest/providers`, its line in `registry.ts`, its deliveries in `test/fixtures/deliveries`.',
  ].join('\n\n');
