import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CliContext } from '../../cli/context.js';
import { registerEndpointCommands } from '../../cli/endpoint.js';
import { registerKeyCommands } from '../../cli/key.js';
import { registerTenantCommands } from '../../cli/tenant.js';
import { registerTokenCommands } from '../../cli/token.js';
import { registerAccountCommands } from '../../cli/account.js';
import { createAccountStore } from '../../runtime/account-store.js';
import { createDiagnosisStore } from '../../runtime/diagnosis-store.js';
import { parseApiKey } from '../../runtime/api-keys.js';
import { createKeyRing } from '../../runtime/keys.js';
import { createPostgresKeyStore } from '../../runtime/key-store.js';
import { migrate } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import { openDatabase } from '../../runtime/postgres.js';
import type { Database } from '../../runtime/postgres.js';
import { createRegistryStore } from '../../runtime/registry-store.js';
import { createLocalTokens } from '../../runtime/tokens.js';
import { endpointId, tenantId } from '../../schemas/ids.js';
import { postgresUrl } from '../services/services.js';

const masterKey = Buffer.alloc(32, 5);
const settings = { issuer: 'trunkline', audience: 'trunkline' };
const secret = 'a-very-secret-token';

let database: Database;
let printed: string[] = [];
let notes: string[] = [];
let closed = 0;

beforeAll(async () => {
  database = openDatabase({ url: await postgresUrl(), max: 2, applicationName: 'test' });
  await migrate(database, {
    set: 'runtime',
    directory: join(packageRoot(), 'runtime/migrations'),
  });
});
afterAll(() => database.end());

const keyRing = () => createKeyRing(masterKey, createPostgresKeyStore(database));

const context: CliContext = {
  openRegistry: async () => ({
    store: createRegistryStore(database, keyRing()),
    accounts: createAccountStore(database, keyRing()),
    close: async () => {
      closed++;
    },
  }),
  openTokens: () => createLocalTokens(masterKey, settings),
  publicUrl: 'https://hooks.example.com',
  readText: async () => JSON.stringify({ authToken: secret }),
  print: (line) => printed.push(line),
  note: (line) => notes.push(line),
};

async function run(...args: string[]): Promise<string> {
  printed = [];
  notes = [];
  const program = new Command('trunkline');
  const silent = { writeErr: (text: string) => notes.push(text), writeOut: () => undefined };
  const quiet = (command: Command): void => {
    command.exitOverride().configureOutput(silent);
    command.commands.forEach(quiet);
  };
  registerTenantCommands(program, context);
  registerEndpointCommands(program, context);
  registerKeyCommands(program, context);
  registerAccountCommands(program, context);
  registerTokenCommands(program, context);
  quiet(program);
  await program.parseAsync(args, { from: 'user' });
  return printed.join('\n');
}

const json = async (...args: string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await run(...args, '--json')) as Record<string, unknown>;

describe('the registry commands', () => {
  it('add and list tenants', async () => {
    expect(await run('tenant', 'list')).toBe('');
    expect(notes.join()).toContain('trunkline tenant add');
    expect(await run('tenant', 'add', 'acme', '--name', 'Acme')).toBe('added tenant acme');
    expect(await run('tenant', 'add', 'acme')).toBe('tenant acme is there already');
    expect(await run('tenant', 'list')).toMatch(/^TENANT +NAME +CREATED\nacme +Acme +2/);
    await expect(run('tenant', 'add', 'Not_A_Tenant')).rejects.toThrow(/lower-case/);
  });

  it('add an endpoint and print its webhook URL, never its credentials', async () => {
    const made = await run(
      ...['endpoint', 'add', '--tenant', 'acme', '--provider', 'twilio'],
      ...['--credential', `authToken=${secret}`, '--allow', '203.0.113.0/24'],
    );
    const [, id] = /\/v1\/webhooks\/(ep_\w+)/.exec(made) ?? [];
    expect(made).toContain(`https://hooks.example.com/v1/webhooks/${id ?? ''}`);
    const everything = [
      made,
      await run('endpoint', 'list'),
      await run('endpoint', 'show', id ?? ''),
    ];
    expect(everything.join('\n')).not.toContain(secret);
    expect(await json('endpoint', 'show', id ?? '')).toMatchObject({
      allow: ['203.0.113.0/24'],
      credentials: 1,
    });
  });

  it('take `provider` for the networks it publishes, and nothing that is no network', async () => {
    const add = ['endpoint', 'add', '--tenant', 'acme', '--provider', 'twilio'];
    const given = ['--credential', `authToken=${secret}`, '--allow'];
    const made = await json(...add, ...given, 'provider', '--allow', '2001:db8::/32');
    expect(made).toMatchObject({ allow: ['provider', '2001:db8::/32'] });
    await expect(run(...add, ...given, 'everyone')).rejects.toThrow(/an address, a CIDR or/);
  });

  it('print a base URL with a path as the whole URL, as deliveries are verified by it', async () => {
    const add = ['endpoint', 'add', '--tenant', 'acme', '--provider', 'twilio'];
    const given = ['--credential', `authToken=${secret}`, '--url'];
    const whole = 'https://proxy.example.com/hooks/twilio';
    expect(await json(...add, ...given, whole)).toMatchObject({ webhookUrl: whole });
    const bare = await json(...add, ...given, 'https://proxy.example.com/');
    expect(bare['webhookUrl']).toMatch(/^https:\/\/proxy\.example\.com\/v1\/webhooks\/ep_\w+$/);
    await expect(run(...add, ...given, `${whole}?a=1`)).rejects.toThrow(/query/);
  });

  it('take credentials from a file and check them', async () => {
    const add = ['endpoint', 'add', '--tenant', 'acme', '--provider'];
    expect(await json(...add, 'twilio', '--credentials', '-')).toMatchObject({ credentials: 1 });
    const wrong = run(...add, 'telnyx', '--credential', `publicKeyBase64=${secret}`);
    await expect(wrong).rejects.toThrow(/publicKeyBase64/);
    await expect(wrong).rejects.not.toThrow(secret);
    await expect(run(...add, 'twilio')).rejects.toThrow(/--credential name=value/);
    await expect(run(...add, 'twilio', '--credential', secret)).rejects.toThrow(/name=value/);
    await expect(run(...add, 'nobody')).rejects.toThrow(/Allowed choices/);
    const nowhere = ['endpoint', 'add', '--tenant', 'nobody', '--provider', 'twilio'];
    await expect(run(...nowhere, '--credentials', '-')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('rotate and revoke an endpoint', async () => {
    const add = [
      'endpoint',
      'add',
      '--tenant',
      'acme',
      '--provider',
      'twilio',
      '--credentials',
      '-',
    ];
    const { id } = await json(...add);
    const rotated = await json(
      'endpoint',
      'rotate',
      String(id),
      '--credentials',
      '-',
      '--grace',
      '2h',
    );
    expect(rotated).toMatchObject({ credentials: 2 });
    expect(await json('endpoint', 'revoke', String(id))).toMatchObject({ id });
    expect(await run('endpoint', 'show', String(id))).toContain('revoked');
    const again = run('endpoint', 'rotate', String(id), '--credentials', '-');
    await expect(again).rejects.toThrow(/no live endpoint/);
  });

  it('change an endpoint and keep its id', async () => {
    const add = ['endpoint', 'add', '--tenant', 'acme', '--provider', 'telnyx'];
    const key = Buffer.alloc(32, 1).toString('base64');
    const { id } = await json(...add, '--credential', `publicKeyBase64=${key}`);
    const set = (...args: string[]) => json('endpoint', 'set', String(id), ...args);
    const url = 'https://calls.example.net';
    expect(await set('--url', url, '--rate', '50')).toMatchObject({
      webhookUrl: `${url}/v1/webhooks/${String(id)}`,
      ratePerSecond: 50,
    });
    expect(await set('--allow', 'provider', '--allow', '203.0.113.9')).toMatchObject({
      allow: ['provider', '203.0.113.9'],
      publicBaseUrl: url,
    });
    const back = ['--allow', 'any', '--url', 'default', '--rate', 'default', '--name', 'main'];
    expect(await set(...back)).toMatchObject({
      ...{ allow: [], publicBaseUrl: null, ratePerSecond: null, name: 'main' },
    });
    await expect(run('endpoint', 'set', String(id))).rejects.toThrow(/what to change/);
    await expect(run('endpoint', 'set', String(id), '--url', 'ftp://x')).rejects.toThrow(/https/);
  });

  it('show what to put where, and how the old credential is still used', async () => {
    const add = ['endpoint', 'add', '--tenant', 'acme', '--provider', 'twilio'];
    const { id } = await json(...add, '--credentials', '-', '--url', 'http://127.0.0.1:8080');
    const endpoint = endpointId(String(id));
    await run('endpoint', 'rotate', endpoint, '--credential', 'authToken=next', '--grace', '3h');
    const [, old] = await createRegistryStore(database, keyRing()).credentialsOf(endpoint);
    const store = createDiagnosisStore(database, keyRing());
    const use = { tenant: tenantId('acme'), endpoint, credential: old?.id ?? '', uses: 134 };
    await store.writeUses([{ ...use, lastUsedAt: Date.now() - 130_000 }]);
    const shown = await run('endpoint', 'show', endpoint);
    expect(shown).toMatch(
      /old credential \d+, ends in 3 h, last used 2 min ago, 134 times: the provider still signs with it/,
    );
    expect(shown).toMatch(/credential \d+, since .*, never used/);
    expect(shown).toContain(`put http://127.0.0.1:8080/v1/webhooks/${endpoint} under`);
    expect(shown).toContain('Providers cannot reach 127.0.0.1');
    expect(shown).toContain('Only the old credential is used');
    expect(shown).not.toContain(secret);
    const { use: used, hints } = await json('endpoint', 'show', endpoint);
    expect(used).toMatchObject([{ uses: 0, expiresAt: null }, { uses: 134 }]);
    expect(hints).toHaveLength(3);
  });

  it('list what was refused, and say what to do about each cause', async () => {
    const add = ['endpoint', 'add', '--tenant', 'acme', '--provider', 'twilio'];
    const { id } = await json(...add, '--credentials', '-');
    const endpoint = endpointId(String(id));
    expect(await run('endpoint', 'refusals', endpoint)).toBe('');
    expect(notes.join()).toContain('nothing was refused');
    await createDiagnosisStore(database, keyRing()).writeRefusals(
      [1, 2].map((n) => ({
        ...{ tenant: tenantId('acme'), endpoint, at: Date.now(), layer: 'signature' },
        ...({ code: 'signature_mismatch', cause: 'url_scheme', also: null, other: null } as const),
        ...{ looksLike: null, offsetMs: null, method: 'POST', contentType: null, agent: null },
        ...{ bodyBytes: n, network: '192.0.2.0/24', correlationId: 'c', unwritten: n },
      })),
    );
    const printed = await run('endpoint', 'refusals', endpoint);
    expect(printed).toMatch(/signature +signature_mismatch +url_scheme +192\.0\.2\.0\/24 +2 +2\n/);
    expect(printed).toContain(`trunkline endpoint set ${endpoint} --url`);
    expect(printed.match(/url_scheme: the signature is right/g)).toHaveLength(1);
    const one = await json('endpoint', 'refusals', endpoint, '--limit', '1');
    expect(one).toMatchObject([{ cause: 'url_scheme', bodyBytes: 2 }]);
  });

  it('add an account whose API is asked, change and revoke it, and never print its credentials', async () => {
    const sid = `AC${'0123456789abcdef'.repeat(2)}`;
    const add = ['account', 'add', '--tenant', 'acme', '--provider', 'twilio'];
    const given = ['--credential', `accountSid=${sid}`, '--credential', `authToken=${secret}`];
    const made = await run(...add, ...given, '--url', 'http://127.0.0.1:9');
    const id = /acc_\w+/.exec(made)?.[0] ?? '';
    await run('account', 'change', id, ...given);
    const everything = [made, await run('account', 'list'), await run('account', 'revoke', id)];
    expect(everything.join('\n')).not.toContain(secret);
    expect(everything[2]).toMatch(/revoked/);
    await expect(run('account', 'change', id, ...given)).rejects.toMatchObject({
      code: 'not_found',
    });
    const half = ['--credential', `accountSid=${sid}`];
    await expect(run(...add, ...half)).rejects.toThrow(/authToken, or keySid and keySecret/);
    await expect(run(...add, ...given, '--url', 'http://api.example.com')).rejects.toThrow(/https/);
  });

  it('make a key, show it once, rotate and revoke it', async () => {
    const key = await run('key', 'add', '--tenant', 'acme', '--role', 'viewer', '--ttl', '90d');
    const { id = '' } = parseApiKey(key) ?? {};
    expect(id).not.toBe('');
    expect(await run('key', 'list')).not.toContain(key);
    const next = await json('key', 'rotate', id);
    expect(parseApiKey(String(next['key']))?.id).toBe(next['id']);
    expect(await run('key', 'list', '--tenant', 'acme')).toMatch(new RegExp(`${id}.*ends .*`));
    expect(await run('key', 'revoke', String(next['id']))).toContain('revoked key');
    await expect(run('key', 'revoke', 'none')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('issue a token that verifies', async () => {
    const token = await run('token', '--tenant', 'acme', '--role', 'manager', '--ttl', '10m');
    const tokens = await createLocalTokens(masterKey, settings);
    expect(await tokens.verify(token)).toMatchObject({
      ok: true,
      claims: { tenant: 'acme', role: 'manager', subject: 'cli' },
    });
    await expect(run('token', 'issue', '--tenant', 'acme', '--ttl', '1y')).rejects.toThrow(
      /duration/,
    );
    await expect(run('token', '--tenant', 'acme', '--ttl', '40d')).rejects.toThrow(/30 days/);
  });

  it('close what they opened, also when they fail', async () => {
    closed = 0;
    await run('tenant', 'list');
    await expect(run('key', 'revoke', 'none')).rejects.toThrow();
    expect(closed).toBe(2);
  });
});
