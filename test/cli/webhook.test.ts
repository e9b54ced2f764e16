// `trunkline webhook check` and `send`, through the program: NDJSON in order, exit codes, and a stored
// delivery that arrives with a present and right signature.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { newTelnyxKey, telnyxPublicKey } from '../ingest/signing.js';
import { registerSimulateCommand } from '../../cli/simulate.js';
import type { FoundEndpoint } from '../../cli/open-endpoint.js';
import { registerWebhookCommands } from '../../cli/webhook.js';
import { verifyDelivery } from '../../ingest/verify.js';
import type { Endpoint } from '../../runtime/registry.js';
import { endpointId } from '../../schemas/ids.js';
import {
  deliveriesFolder,
  endpointOf,
  secretsOf,
  storedDeliveries,
} from '../ingest/stored-deliveries.js';

interface Run {
  readonly out: string;
  readonly exitCode: number | null;
}

async function run(
  args: readonly string[],
  input = '',
  found: FoundEndpoint | null = null,
): Promise<Run> {
  const stdout = new PassThrough();
  const chunks: string[] = [];
  stdout.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  let exitCode: number | null = null;
  const context = {
    stdin: Readable.from([Buffer.from(input)]),
    stdout,
    stderr: new PassThrough().resume(),
    signal: new AbortController().signal,
    endpoint: () => Promise.resolve(found),
    setExitCode: (code: number) => {
      exitCode = code;
    },
  };
  const program = new Command().exitOverride();
  registerWebhookCommands(program, context);
  registerSimulateCommand(program, context);
  await program.parseAsync([...args], { from: 'user' });
  stdout.end();
  return { out: chunks.join(''), exitCode };
}

const file = (name: string): string => join(deliveriesFolder, `${name}.json`);
const secretsFile = join(deliveriesFolder, '_secrets.json');

const ndjson = storedDeliveries.map((delivery) => ({
  id: delivery.file,
  provider: delivery.provider,
  method: delivery.method,
  url: delivery.url,
  headers: delivery.headers,
  rawBody: delivery.rawBody,
  credentials: secretsOf(delivery.provider),
  now: delivery._signedAt,
}));

describe('webhook check', () => {
  it('judges by the credentials of an endpoint, and compares with those of before and of others', async () => {
    const delivery = storedDeliveries.find(({ provider }) => provider === 'twilio');
    if (delivery === undefined) throw new Error('no stored delivery of twilio');
    const right = endpointOf('twilio');
    const wrong = endpointOf('twilio', [{ ...secretsOf('twilio'), authToken: 'f'.repeat(32) }]);
    const args = [
      'webhook',
      'check',
      join(deliveriesFolder, delivery.file),
      '--endpoint',
      'ep_1',
      '--json',
    ];
    const verdictOf = async (found: FoundEndpoint) => {
      const { out, exitCode } = await run(args, '', found);
      return { ...(JSON.parse(out) as { cause?: string }), exitCode };
    };
    const accepted = await verdictOf({ endpoint: right, others: [], retired: [] });
    expect(accepted).toMatchObject({ accepted: true, exitCode: 0 });
    const before = await verdictOf({ endpoint: wrong, others: [], retired: [secretsOf('twilio')] });
    expect(before).toMatchObject({ accepted: false, exitCode: 1, cause: 'credential_retired' });
    const other = await verdictOf({ endpoint: wrong, others: [right], retired: [] });
    expect(other).toMatchObject({
      accepted: false,
      exitCode: 1,
      cause: 'credential_of_other_endpoint',
    });
  });

  it('judges lines in order and leaves the exit code alone', async () => {
    const lines = [...ndjson.map((line) => JSON.stringify(line)), 'no json', '{"id":"x"}'];
    const { out, exitCode } = await run(['webhook', 'check'], lines.join('\r\n'));
    const verdicts = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string | null; accepted: boolean; layer: string });
    expect(verdicts.map(({ id }) => id)).toEqual([...ndjson.map(({ id }) => id), null, 'x']);
    expect(verdicts.filter(({ accepted }) => accepted)).toHaveLength(ndjson.length);
    expect(verdicts.at(-1)).toEqual({
      id: 'x',
      accepted: false,
      layer: 'request',
      code: 'line_invalid',
      detail: expect.stringContaining('provider') as string,
    });
    expect(exitCode).toBe(null);
  });

  it('splits lines at line feeds only, whatever else a body holds', async () => {
    const odd = { ...ndjson[0], id: 'a\u2028b\u0085c' };
    const { out } = await run(['webhook', 'check'], `${JSON.stringify(odd)}\n\n`);
    expect(JSON.parse(out)).toMatchObject({ id: 'a\u2028b\u0085c', accepted: true });
  });

  it('judges five thousand lines in seconds', async () => {
    const some = Array.from({ length: 5000 }, (_, index) => ndjson[index % ndjson.length]);
    const startedAt = performance.now();
    const { out } = await run(
      ['webhook', 'check'],
      some.map((line) => JSON.stringify(line)).join('\n'),
    );
    expect(out.trim().split('\n')).toHaveLength(5000);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('judges one stored delivery at the time it was signed', async () => {
    const name = 'telnyx-voice-outbound-2-answered';
    const right = await run(['webhook', 'check', file(name), '--secrets', secretsFile]);
    expect(right).toMatchObject({ exitCode: 0, out: 'accepted: signature and time are right\n' });
    const late = await run([
      'webhook',
      'check',
      file(name),
      '--secrets',
      secretsFile,
      '--now',
      '1',
    ]);
    expect(late.exitCode).toBe(1);
    expect(late.out).toContain('timestamp');
    expect(late.out).toMatch(/likely cause: .*\(signed_in_future\)\nwhat to do: /);
    const wrong = ['--credential', 'publicKeyBase64=x', '--json'];
    const refused = await run(['webhook', 'check', file(name), ...wrong]);
    expect(JSON.parse(refused.out)).toMatchObject({
      code: 'credentials_invalid',
      cause: 'credential_unusable',
    });
  });

  it('tells the cause of thousands of refusals in seconds too', async () => {
    const some = Array.from({ length: 3000 }, (_, index) => ndjson[index % ndjson.length]);
    const bad = some.map((line) => JSON.stringify({ ...line, rawBody: `${line?.rawBody ?? ''} ` }));
    const startedAt = process.cpuUsage();
    const { out } = await run(['webhook', 'check'], bad.join('\n'));
    expect(out.trim().split('\n')).toHaveLength(3000);
    expect(out).toContain('"cause":"');
    expect(process.cpuUsage(startedAt).user / 1000).toBeLessThan(20_000);
  });
});

describe('webhook send', () => {
  async function receive(endpoint: Endpoint, send: (base: string) => Promise<Run>) {
    const codes: string[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const outcome = verifyDelivery(
          {
            endpoint: endpoint.id,
            method: request.method === 'GET' ? 'GET' : 'POST',
            target: request.url ?? '',
            headers: new Map(Object.entries(request.headers).map(([n, v]) => [n, String(v)])),
            body: Buffer.concat(chunks),
            clientAddress: '127.0.0.1',
            receivedAt: Date.now(),
            correlationId: 'test',
          },
          endpoint,
          Date.now(),
        );
        codes.push(outcome.ok ? 'ok' : outcome.code);
        response.writeHead(outcome.ok ? 204 : 403).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const result = await send(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.closeAllConnections();
    server.close();
    return { codes, result };
  }

  it('delivers form, JSON and GET of Twilio with a fresh signature', async () => {
    const endpoint = endpointOf('twilio');
    for (const name of [
      'twilio-sms-inbound-unicode',
      'twilio-eventstreams-batch-of-2',
      'twilio-voice-status-get',
    ]) {
      const { codes, result } = await receive(endpoint, (base) =>
        run(
          [
            'webhook',
            'send',
            file(name),
            '--endpoint',
            endpoint.id,
            '--to',
            `${base}/v1/webhooks/${endpoint.id}`,
          ],
          '',
          { endpoint, others: [], retired: [] },
        ),
      );
      expect(codes).toEqual(['ok']);
      expect(result).toMatchObject({ exitCode: 0, out: 'answered 204\n' });
    }
  });

  it('delivers Telnyx with the present time, and says how it was answered', async () => {
    const key = newTelnyxKey();
    const endpoint = endpointOf('telnyx', [{ publicKeyBase64: telnyxPublicKey(key) }]);
    const name = 'telnyx-voice-inbound-3-hold';
    const send = (credential: string) => (base: string) =>
      run(['webhook', 'send', file(name), '--to', `${base}/x`, '--credential', credential]);
    const right = await receive(endpoint, send(`privateKeyBase64=${key}`));
    expect(right.codes).toEqual(['ok']);
    const wrong = await receive(endpoint, send(`privateKeyBase64=${newTelnyxKey()}`));
    expect(wrong.result).toMatchObject({ exitCode: 1, out: 'answered 403\n' });
  });

  it('says what is missing before it sends anything', async () => {
    const name = file('telnyx-voice-inbound-3-hold');
    await expect(run(['webhook', 'send', name])).rejects.toMatchObject({
      code: 'parameter_invalid',
    });
    await expect(run(['webhook', 'send', name, '--to', 'http://127.0.0.1:9'])).rejects.toThrow(
      'privateKeyBase64',
    );
    await expect(
      run(['webhook', 'send', name, '--endpoint', endpointId('ep_none')]),
    ).rejects.toMatchObject({ code: 'endpoint_unknown' });
  });
});

describe('simulate', () => {
  it('lists what is wrong with its options', async () => {
    await expect(run(['simulate', '--to', 'nobody=http://127.0.0.1:9'])).rejects.toThrow(
      'one of twilio',
    );
    await expect(run(['simulate', '--to', 'twilio=http://127.0.0.1:9'])).rejects.toThrow(
      'authToken',
    );
  });
});
