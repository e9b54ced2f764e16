import { expect, test } from 'vitest';

import { receiveDelivery } from '../../ingest/receive.js';
import type { HttpRequest } from '../../runtime/http.js';
import { endpoint } from './fixtures.js';

const request = (contentType: string | null, change: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'POST',
  path: '/v1/webhooks/ep_0000000000000001',
  query: 'a=%2B1&b',
  headers: new Map(contentType === null ? [] : [['content-type', contentType]]),
  params: ['ep_0000000000000001'],
  body: Buffer.from('{}'),
  clientAddress: '127.0.0.1',
  correlationId: 'c-1',
  receivedAt: 1,
  signal: new AbortController().signal,
  ...change,
});
const receive = (one: HttpRequest) => receiveDelivery(one, endpoint().id, 42);

test('forms and every kind of JSON are received with their target as it came', () => {
  for (const type of [
    'application/json',
    'application/JSON; charset=utf-8',
    'application/cloudevents+json',
    'application/cloudevents-batch+json;charset=UTF-8',
    'application/x-www-form-urlencoded; charset=UTF-8',
  ]) {
    expect(receive(request(type))).toMatchObject({
      ok: true,
      raw: {
        target: '/v1/webhooks/ep_0000000000000001?a=%2B1&b',
        method: 'POST',
        receivedAt: 42,
      },
    });
  }
});

test('other content types are not received', () => {
  for (const type of [
    '',
    'text/plain',
    'application/xml',
    'multipart/form-data',
    'json',
    '+json',
  ]) {
    expect(receive(request(type))).toEqual({ ok: false, answer: 'media_type' });
  }
});

test('without a content type the signature decides', () => {
  expect(receive(request(null))).toMatchObject({ ok: true });
});

test('a request without a body needs no content type', () => {
  const got = receive(request(null, { method: 'GET', body: Buffer.alloc(0), query: '' }));
  expect(got).toMatchObject({ raw: { method: 'GET', target: '/v1/webhooks/ep_0000000000000001' } });
});

test('a method that is neither POST nor GET brings no delivery', () => {
  const got = receive(request(null, { method: 'HEAD', body: Buffer.alloc(0) }));
  expect(got).toEqual({ ok: false, answer: 'method_not_allowed' });
});
