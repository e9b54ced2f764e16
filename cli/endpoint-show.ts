// Command line: one endpoint for people. In: its row and the use of its credentials. Out: what to put where
// at the provider, what is accepted, and what would keep deliveries away; never a credential.

import { providerOf } from '../ingest/providers/registry.js';
import type { CredentialItem } from '../runtime/diagnosis-store.js';
import type { EndpointRow } from '../runtime/registry-store.js';
import { roughly } from '../schemas/refusal-causes.js';
import { moment, standing } from './context.js';

/** An endpoint as it is shown. */
export interface ShownEndpoint {
  readonly row: EndpointRow;
  /** Its live credentials, newest first. */
  readonly used: readonly CredentialItem[];
  /** The URL for the provider's console. */
  readonly url: string;
  readonly nowMs: number;
}

const line = (name: string, value: string): string => `${name.padEnd(12)}${value}`;

/** What the registry says, a line each. */
export function factLines(row: EndpointRow, url: string): string[] {
  const networks = row.allow.map((text) =>
    text === 'provider' ? `provider (${providerOf(row.provider).addressRanges.join(', ')})` : text,
  );
  return [
    line('endpoint', row.id),
    line('tenant', row.tenant),
    line('provider', row.provider),
    line('name', row.name),
    line('state', standing(row)),
    line('credentials', `${row.credentials} accepted now`),
    line('allow', networks.length === 0 ? 'every address' : networks.join(', ')),
    line('rate', row.ratePerSecond === null ? 'default' : `${row.ratePerSecond}/s`),
    line('webhook', url),
  ];
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

/** Age and use of one credential in words. */
export function credentialWords(item: CredentialItem, nowMs: number): string {
  const { id, createdAt, expiresAt, uses, lastUsedAt } = item;
  const used =
    lastUsedAt === null
      ? 'never used'
      : `last used ${roughly(nowMs - lastUsedAt)} ago, ${times(uses)}`;
  if (expiresAt === null) return `credential ${id}, since ${moment(new Date(createdAt))}, ${used}`;
  const isStillUsed = lastUsedAt !== null && lastUsedAt > nowMs - 86_400_000;
  const warning = isStillUsed ? ': the provider still signs with it' : '';
  return `old credential ${id}, ends in ${roughly(expiresAt - nowMs)}, ${used}${warning}`;
}

const privateHost =
  /^(?:localhost|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|0\.0\.0\.0|\[::1\]|\[f[cd]|.*\.(?:local|internal|lan)$)/i;

/** What would keep deliveries away, as far as it can be seen from here. */
export function hints({ row, used, url }: ShownEndpoint): string[] {
  const found: string[] = [];
  const { protocol, hostname, port } = new URL(url);
  const fix = `trunkline endpoint set ${row.id} --url https://…, or TRUNKLINE_PUBLIC_URL`;
  if (privateHost.test(hostname)) {
    found.push(`Providers cannot reach ${hostname}: use a tunnel or a public host (${fix}).`);
  } else if (protocol === 'http:') {
    found.push(`The public URL is http: what is signed crosses the network in the clear (${fix}).`);
  }
  if (port !== '' && port !== '443' && port !== '80') {
    found.push(`Some providers call ports 80 and 443 only; this URL has port ${port}.`);
  }
  if (row.credentials === 0) {
    found.push(`No credential is accepted: trunkline endpoint rotate ${row.id} --credential …`);
  }
  const isNewUsed = used.some(
    ({ expiresAt, lastUsedAt }) => expiresAt === null && lastUsedAt !== null,
  );
  const isOldUsed = used.some(
    ({ expiresAt, lastUsedAt }) => expiresAt !== null && lastUsedAt !== null,
  );
  if (isOldUsed && !isNewUsed) {
    found.push('Only the old credential is used: what it signs is refused once it has ended.');
  }
  return found;
}

/** Where the URL goes at the provider, a step a line; also what its page in docs/providers says. */
export const stepsOf = (provider: string, url: string): string[] =>
  providerOf(provider).guide.steps.map((step) => step.replaceAll('{url}', url));

/** All of it for people. */
export function shownLines(shown: ShownEndpoint): string[] {
  const { row, used, url, nowMs } = shown;
  const { guide, addressRanges } = providerOf(row.provider);
  const lines = [...factLines(row, url), ...used.map((one) => `  ${credentialWords(one, nowMs)}`)];
  if (row.revokedAt !== null) return lines;
  lines.push('', `At ${guide.title}:`);
  lines.push(...stepsOf(row.provider, url).map((step, index) => `  ${index + 1}. ${step}`));
  lines.push('', 'Credentials:');
  lines.push(...Object.entries(guide.credentials).map(([name, where]) => `  ${name}: ${where}`));
  lines.push('', `Verified: ${guide.verified}`);
  if (addressRanges.length > 0 && row.allow.length === 0) {
    lines.push(`Published networks: ${addressRanges.join(', ')}`);
  }
  const found = hints(shown);
  if (found.length > 0) lines.push('', 'Look at:', ...found.map((hint) => `  ${hint}`));
  lines.push('', `Try it: trunkline endpoint test ${row.id}`);
  return lines;
}

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** All of it for programs. */
export function shownJson(shown: ShownEndpoint): object {
  const { row, used, url } = shown;
  const { guide, addressRanges } = providerOf(row.provider);
  return {
    ...row,
    webhookUrl: url,
    steps: stepsOf(row.provider, url),
    credentialNames: guide.credentials,
    verified: guide.verified,
    addressRanges,
    use: used.map(({ id, createdAt, expiresAt, uses, lastUsedAt }) => ({
      ...{ id, uses, createdAt: iso(createdAt) },
      ...{ expiresAt: iso(expiresAt), lastUsedAt: iso(lastUsedAt) },
    })),
    hints: hints(shown),
  };
}
