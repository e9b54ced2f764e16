// docker-compose.yml against the schema of the compose specification (test/fixtures/compose-spec.json,
// Apache-2.0, from compose-spec/compose-go v2.4.9), and its environment against our own.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

import { readConfig, roleNames } from '../runtime/config.js';

const composeFile = z.object({
  services: z.record(
    z.string(),
    z.object({
      command: z.array(z.string()).optional(),
      environment: z.record(z.string(), z.coerce.string()).optional(),
      healthcheck: z.object({ test: z.array(z.string()) }),
    }),
  ),
});
const document: unknown = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true });
const compose = composeFile.parse(document);

const specification = 'test/fixtures/compose-spec.json';
/** The specification names its draft by an address that Ajv does not know. */
const without = (name: string, value: unknown): object =>
  Object.fromEntries(
    Object.entries(z.looseObject({}).parse(value)).filter(([key]) => key !== name),
  );

test('the file is valid by the compose specification', () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  const schema = without('$schema', JSON.parse(readFileSync(specification, 'utf8')));
  const validate = ajv.compile(schema);
  expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
});

test('every role runs as its own service with an environment the product accepts', () => {
  for (const role of roleNames) {
    const service = compose.services[role];
    expect(service?.command).toEqual(['serve', '--roles', role]);
    const filled = Object.entries(service?.environment ?? {}).map(
      ([name, value]): [string, string] => [
        name,
        value
          .replace(/\$\{TRUNKLINE_MASTER_KEY[^}]*\}/, randomBytes(32).toString('base64'))
          .replace(/\$\{TRUNKLINE_PUBLIC_URL:-([^}]*)\}/, '$1')
          .replace(/\$\{[^}]*\}/, 'a-value-of-enough-length'),
      ],
    );
    expect(readConfig(Object.fromEntries(filled))).toMatchObject({ ok: true });
  }
});

test('every service says whether it is healthy', () => {
  for (const service of Object.values(compose.services)) {
    expect(service.healthcheck.test.length).toBeGreaterThan(1);
  }
});
