// A registry that tells all but one of those who register together of a conflict, as Apicurio does.

import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';

import { createRegistryCodec } from '../../log/event-codec.js';
import { readHistory } from '../../log/schema-history.js';

let server: Server | undefined;
afterEach(() => server?.close());

async function registryThat(answersVersions: (attempt: number) => [number, object]) {
  let attempts = 0;
  server = createServer((request, response) => {
    const isVersion = request.method === 'POST' && request.url?.endsWith('/versions') === true;
    const [status, body] = isVersion
      ? answersVersions((attempts += 1))
      : [200, { compatibilityLevel: 'FULL_TRANSITIVE', compatibility: 'FULL_TRANSITIVE' }];
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return { url: `http://127.0.0.1:${port}`, attempts: () => attempts };
}

/** Answers that must be asked for again. */
const conflicts = 2;

test('a conflict with another process that registers the same schema is tried again', async () => {
  const conflict = { error_code: 409, message: 'an artifact with this ID already exists' };
  const registry = await registryThat((attempt) =>
    attempt <= conflicts ? [409, conflict] : [200, { id: attempt }],
  );
  await createRegistryCodec(registry.url);
  expect(registry.attempts()).toBe(readHistory().length + conflicts);
});

test('a subject that another process has made but not set up yet is tried again', async () => {
  let asked = 0;
  server = createServer((request, response) => {
    const isConfig = request.url?.startsWith('/config/') === true && request.method === 'GET';
    const level = isConfig && (asked += 1) <= conflicts ? 'NONE' : 'FULL_TRANSITIVE';
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ compatibilityLevel: level, compatibility: level, id: 7 }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  await createRegistryCodec(`http://127.0.0.1:${port}`);
  expect(asked).toBe(readHistory().length + conflicts);
});

test('a schema that is not compatible is refused at once', async () => {
  const refused = { error_code: 409, message: 'the schema is not compatible with an earlier one' };
  const registry = await registryThat(() => [409, refused]);
  await expect(createRegistryCodec(registry.url)).rejects.toMatchObject({
    code: 'schema_incompatible',
  });
  expect(registry.attempts()).toBe(1);
});
