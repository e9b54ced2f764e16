// Command line: what `serve` prints once it listens. In: where it listens and what runs. Out: text that
// can be pasted.

import type { Config, Role } from '../runtime/config.js';
import type { MasterKey } from '../runtime/master-key.js';
import type { Demo } from './demo.js';

export interface BannerParts {
  readonly url: string;
  readonly config: Config;
  readonly roles: readonly Role[];
  readonly demo: Demo | null;
  readonly masterKey: MasterKey;
  readonly tookMs: number;
}

export function banner(parts: BannerParts): string {
  const { url, config, roles, demo, masterKey, tookMs } = parts;
  const log = config.KAFKA_BROKERS.length === 0 ? 'embedded' : 'Kafka';
  const database = config.DATABASE_URL === undefined ? 'embedded PostgreSQL' : 'PostgreSQL';
  const schemas = config.SCHEMA_REGISTRY_URL === undefined ? 'local schema ids' : 'schema registry';
  const limits = config.REDIS_URL === undefined ? 'limits of this process' : 'limits in Redis';
  const lines = [
    '',
    `  Trunkline is ready (${(tookMs / 1000).toFixed(1)} s): ${roles.join(', ')}`,
    `  log ${log} · ${database} · ${schemas} · ${limits} · data in ${config.TRUNKLINE_DATA}`,
  ];
  if (masterKey.created && masterKey.path !== null) {
    lines.push(
      '',
      `  A master key was made: ${masterKey.path} (mode 0600). Keep a copy: without it`,
      '  nothing that is sealed can be read again.',
    );
  }
  if (roles.includes('gateway')) lines.push('', `  Live calls   ${url}/`);
  lines.push(...(demo === null ? ownCalls(url, roles) : demoLines(url, demo)));
  lines.push('', '  Ctrl-C stops cleanly; the next start goes on where this one was.', '', '');
  return lines.join('\n');
}

function demoLines(url: string, demo: Demo): string[] {
  const token = `$(curl -s ${url}/v1/demo/session | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')`;
  return [
    `  Read         curl -s -H "Authorization: Bearer ${token}" '${url}/v1/calls?limit=5'`,
    `  Stream       npx --yes wscat -c ${url.replace(/^http/, 'ws')}/v1/stream -H "Authorization: Bearer ${token}" \\`,
    `                 -x '{"type":"subscribe","id":"calls","topic":"calls"}' -w 10`,
    '',
    `  The calls of tenant "${demo.tenant}" are simulated: signed deliveries to the real webhook route.`,
    '  Your own Twilio number instead: stop this, then',
    '    npx trunkline serve                      (without the demo; reachable for Twilio by a tunnel)',
    '    npx trunkline tenant add acme',
    '    npx trunkline endpoint add --help        (prints the URL to paste as status callback)',
  ];
}

function ownCalls(url: string, roles: readonly Role[]): string[] {
  if (!roles.includes('ingest')) return [];
  return [
    `  Webhooks     ${url}/v1/webhooks/<endpoint>`,
    '',
    '  Add a tenant, an endpoint and a key to read with:',
    '    npx trunkline tenant add acme',
    '    npx trunkline endpoint add --help',
    '    npx trunkline key add --help',
  ];
}
