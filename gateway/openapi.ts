// Gateway: /openapi.json. In: the routes with their zod schemas. Out: an OpenAPI 3.1 document; nothing in
// it is written twice.

import { z } from 'zod';

import { errorCodes } from '../runtime/errors.js';
import type { Route } from './http.js';

const problemSchema = {
  type: 'object',
  description: 'RFC 9457 problem details; `code` is stable',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(errorCodes) },
  },
  required: ['type', 'title', 'status', 'code'],
};

/** The document for these routes. */
export function openApiOf(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.pattern.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Trunkline',
      version,
      description: 'Calls, messages and records of a tenant. The tenant is that of the credential.',
    },
    paths,
    components: {
      schemas: { Problem: problemSchema },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A JWT or an API key `tl_live_…`' },
      },
    },
  };
}

function operationOf(route: Route): object {
  return {
    summary: route.summary,
    operationId: `${route.method.toLowerCase()}${route.pattern.replaceAll(/[^a-zA-Z0-9]+(\w)?/g, (_, first?: string) => first?.toUpperCase() ?? '')}`,
    security: route.permission === null ? [] : [{ bearer: [] }],
    parameters: [
      ...parametersOf(route, 'path'),
      ...parametersOf(route, 'query'),
      ...(route.isIdempotent ? [idempotencyKey] : []),
    ],
    ...bodyOf(route),
    responses: { [route.answer.status]: answerOf(route), ...problemsOf(route) },
  };
}

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'the same key with the same request is one request, however often it is sent',
  schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,200}$' },
};

function bodyOf({ body }: Route): object {
  if (body === null) return {};
  const schema = schemaOf(body, 'input');
  return { requestBody: { required: true, content: { 'application/json': { schema } } } };
}

function answerOf({ answer }: Route): object {
  const description = 'the answer';
  if (answer.schema === null) return { description };
  const schema = schemaOf(answer.schema, 'output');
  return { description, content: { 'application/json': { schema } } };
}

function parametersOf(route: Route, place: 'path' | 'query'): object[] {
  const object = place === 'path' ? route.params : route.query;
  const shape: Readonly<Record<string, z.core.$ZodType>> = object.shape;
  return Object.entries(shape).map(([name, schema]) => ({
    name,
    in: place,
    required: place === 'path' || !z.safeParse(schema, undefined).success,
    schema: schemaOf(schema, 'input'),
  }));
}

function problemsOf(route: Route): Record<string, object> {
  const codes = new Set(route.errors);
  if (Object.keys(route.query.shape).length > 0) codes.add('parameter_invalid');
  if (route.body !== null)
    for (const code of ['media_type', 'body_invalid'] as const) codes.add(code);
  if (route.isIdempotent) codes.add('parameter_invalid');
  if (route.permission !== null) {
    for (const code of ['unauthenticated', 'forbidden', 'rate_limited'] as const) codes.add(code);
  }
  const responses: Record<string, object> = {};
  for (const status of new Set([...codes].map((code) => errorCodes[code].status))) {
    const names = [...codes].filter((code) => errorCodes[code].status === status);
    responses[status] = {
      description: names.join(', '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return responses;
}

function schemaOf(schema: z.core.$ZodType, io: 'input' | 'output'): object {
  const schemaWithDialect = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return Object.fromEntries(
    Object.entries(schemaWithDialect).filter(([name]) => name !== '$schema'),
  );
}
