// Why a signature failed: deliveries that were really broken that way are explained rightly, whoever sent
// them; forged ones stay unknown; nothing of a request or a secret is ever said.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explain, maxExaminedBytes, workUnits } from '../../../ingest/explain/explain.js';
import { providerOf } from '../../../ingest/providers/registry.js';
import { endpointId } from '../../../schemas/ids.js';
import { causeCodes, causeWords, type CauseCode } from '../../../schemas/refusal-causes.js';
import type { SignedRequest } from '../../../ingest/schemes/scheme.js';
import { accountOf, stored } from '../stored-deliveries.js';
import {
  examples,
  isAccepted,
  nowMs,
  ownUrl,
  refusedOf,
  sent,
  whyOf,
  type Sent,
} from './broken.js';

const otherId = endpointId('ep_0000000000000002');
const form = stored('twilio-voice-inbound-1-request');
const json = stored('telnyx-voice-outbound-2-answered');
const named = examples.map((delivery) => [delivery.file.replace('.json', ''), delivery] as const);
const isText = ({ request }: Sent): boolean => /^\s*[[{]/.test(request.body.toString());
const body = (text: string): Partial<SignedRequest> => ({ body: Buffer.from(text) });

it('what was not broken is accepted: the deliveries of these tests are right', () => {
  for (const delivery of examples)
    expect(isAccepted(refusedOf(sent(delivery))), delivery.file).toBe(true);
});

it('every provider names the headers it signs in: without them nothing of it is accepted', () => {
  for (const delivery of examples) {
    const { signatureHeaders: names, guide } = providerOf(delivery.provider);
    // Where the credential names them they are nobody's own.
    if ('signatureHeader' in guide.credentials) continue;
    expect(names.length, delivery.provider).toBeGreaterThan(0);
    const theirs = sent(delivery);
    const kept = [...theirs.request.headers].filter(([name]) => !names.includes(name));
    expect(isAccepted(refusedOf(theirs, { headers: new Map(kept) })), delivery.file).toBe(false);
  }
});

describe.each(named)('%s', (_, delivery) => {
  /** Received at our URL, but signed for another. */
  const signedFor = (
    url: string,
    more: Parameters<typeof refusedOf>[2] = {},
    change: Partial<SignedRequest> = {},
  ) => {
    const theirs = sent(delivery, url);
    const query = theirs.request.url.includes('?')
      ? theirs.request.url.slice(theirs.request.url.indexOf('?'))
      : '';
    return whyOf(refusedOf(theirs, { url: ownUrl + query, ...change }, more));
  };
  const expectCause = (why: ReturnType<typeof signedFor>, cause: CauseCode): void => {
    if (why !== null) expect(why).toMatchObject({ cause });
  };

  it('the URL: scheme, www, port, slash, path', () => {
    expectCause(signedFor(ownUrl.replace('https:', 'http:')), 'url_scheme');
    expectCause(signedFor(ownUrl.replace('hooks.', 'www.hooks.')), 'url_host_www');
    expectCause(signedFor(ownUrl.replace('.com/', '.com:8443/')), 'url_port');
    expectCause(signedFor(`${ownUrl}/`), 'url_trailing_slash');
    const target = '/tenants/acme/hook';
    expectCause(signedFor(`https://hooks.example.com${target}`, { target }), 'url_path');
    const prefixed = ownUrl.replace('/v1', '/edge/v1');
    for (const [name, value] of [
      ['x-forwarded-prefix', '/edge'],
      ['x-original-url', prefixed.slice('https://hooks.example.com'.length)],
      ['x-envoy-original-path', prefixed.slice('https://hooks.example.com'.length)],
    ] as const) {
      const theirs = sent(delivery, prefixed);
      const change = {
        url: theirs.request.url.replace('/edge', ''),
        headers: new Map([...theirs.request.headers, [name, value]]),
      };
      expectCause(whyOf(refusedOf(theirs, change)), 'url_path');
    }
  });

  it('the host: of another endpoint, of the installation, of the request', () => {
    const url = ownUrl.replace('hooks.example.com', 'calls.example.net');
    const other = {
      id: otherId,
      provider: 'nobody',
      publicBaseUrl: 'https://calls.example.net',
      credentials: [],
    };
    const why = signedFor(url, { others: [other] });
    if (why !== null) expect(why).toMatchObject({ cause: 'url_host_endpoint', other: otherId });
    expectCause(
      signedFor(url, { installationUrl: 'https://calls.example.net' }),
      'url_host_installation',
    );
    for (const name of ['host', 'x-forwarded-host']) {
      const theirs = sent(delivery, url);
      const headers = new Map([...theirs.request.headers, [name, 'calls.example.net']]);
      const change = {
        url: theirs.request.url.replace('calls.example.net', 'hooks.example.com'),
        headers,
      };
      expectCause(whyOf(refusedOf(theirs, change)), 'url_host_received');
    }
    const meant = ownUrl.replace('ep_0000000000000001', otherId);
    const others = [{ ...other, publicBaseUrl: 'https://hooks.example.com' }];
    const redirected = signedFor(meant, { others });
    if (redirected !== null)
      expect(redirected).toMatchObject({ cause: 'url_of_endpoint', other: otherId });
  });

  it('the query: one parameter too many, all of it, and two differences at once', () => {
    const theirs = sent(delivery);
    const add = theirs.request.url.includes('?') ? '&' : '?';
    const extra = whyOf(refusedOf(theirs, { url: `${theirs.request.url}${add}utm_source=x` }));
    expectCause(extra, 'url_query_extra');
    const both = signedFor(`${ownUrl.replace('https:', 'http:')}/`);
    if (both !== null)
      expect(both).toMatchObject({ cause: 'url_scheme', also: 'url_trailing_slash' });
  });

  it('the credential: an old one, another endpoint’s, pasted with more than itself', () => {
    const theirs = sent(delivery);
    const { endpoint: other } = accountOf(delivery.provider);
    const retired = whyOf(
      refusedOf(theirs, {}, { credentials: [other], retired: [theirs.credential] }),
    );
    expect(retired).toMatchObject({ cause: 'credential_retired', also: null });
    const owner = {
      id: otherId,
      provider: delivery.provider,
      publicBaseUrl: '',
      credentials: [theirs.credential],
    };
    const elsewhere = whyOf(refusedOf(theirs, {}, { credentials: [other], others: [owner] }));
    expect(elsewhere).toMatchObject({ cause: 'credential_of_other_endpoint', other: otherId });
    for (const spoil of [
      (one: string) => ` ${one}\n`,
      (one: string) => `"${one}"`,
      (one: string) => `${one}\u200b`,
    ]) {
      const spoiled = Object.fromEntries(
        Object.entries(theirs.credential).map(([name, value], index) => [
          name,
          index === 0 ? spoil(value) : value,
        ]),
      );
      expectCause(whyOf(refusedOf(theirs, {}, { credentials: [spoiled] })), 'credential_spoiled');
    }
  });

  it('the body: read and written again, its ends, its characters', () => {
    const theirs = sent(delivery);
    const text = theirs.request.body.toString();
    const changed = (value: string) => whyOf(refusedOf(theirs, body(value)));
    if (isText(theirs)) {
      const value = JSON.parse(text) as unknown;
      for (const written of [
        JSON.stringify(value),
        JSON.stringify(value, null, 2),
        JSON.stringify(value, null, 4),
      ]) {
        // Where numbers were written otherwise nothing leads back.
        if (JSON.stringify(JSON.parse(text)).length !== JSON.stringify(value).length) continue;
        const why = written === text ? null : changed(written);
        if (why !== null) expect(['body_json_layout', 'body_newline_end']).toContain(why.cause);
      }
    }
    const isKnown = isText(theirs)
      ? ['body_newline_end', 'body_json_layout']
      : ['body_newline_end'];
    for (const ended of [`${text}\n`, `${text}\r\n`]) {
      const why = changed(ended);
      if (why !== null) expect(isKnown).toContain(why.cause);
    }
    expectCause(changed(`\ufeff${text}`), 'body_bom');
    expectCause(changed(''), 'body_empty');
  });

  it('the headers: stripped, renamed, doubled, quoted', () => {
    const theirs = sent(delivery);
    const { headers } = theirs.request;
    const [name = ''] = providerOf(delivery.provider).signatureHeaders;
    const value = headers.get(name);
    if (value === undefined) return;
    const without = new Map([...headers].filter(([one]) => one !== name));
    const why = (more: readonly (readonly [string, string])[]) =>
      whyOf(refusedOf(theirs, { headers: new Map([...without, ...more]) }));
    expectCause(why([]), 'signature_header_missing');
    expectCause(why([[`x-original-${name}`, value]]), 'signature_header_renamed');
    expectCause(why([[name.replaceAll('-', '_'), value]]), 'signature_header_renamed');
    expectCause(why([[name, `"${value}"`]]), 'signature_header_altered');
    expectCause(why([[name, encodeURIComponent(value)]]), 'signature_header_altered');
  });

  it('another provider’s delivery is told by its header', () => {
    const foreign = delivery.provider === 'telnyx' ? form : json;
    const there = sent(foreign);
    const here = {
      ...there,
      provider: delivery.provider,
      credential: accountOf(delivery.provider).endpoint,
    };
    const why = whyOf(refusedOf(here));
    expect(why).toMatchObject({ cause: 'other_provider', looksLike: foreign.provider });
  });

  it('the clock: right at its own time', () => {
    for (const offsetMs of [-3_600_000, 3_600_000]) {
      const theirs = sent(delivery, ownUrl, nowMs + offsetMs);
      const why = whyOf(refusedOf(theirs));
      if (why === null) continue;
      expect(why.cause).toBe(offsetMs < 0 ? 'signed_in_past' : 'signed_in_future');
      expect(Math.abs((why.offsetMs ?? 0) - offsetMs)).toBeLessThan(2_000);
      const ours = explain(refusedOf(theirs, {}, { suspectsOwnClock: true }));
      expect(ours.cause).toBe('own_clock');
    }
  });

  it('a forged one stays unknown, or is told by what is certain', () => {
    const theirs = sent(delivery);
    const { endpoint: other } = accountOf(delivery.provider);
    const why = whyOf(refusedOf(theirs, {}, { credentials: [other] }));
    expect(why).toMatchObject({ cause: 'unknown', also: null, other: null });
  });
});

describe('Twilio forms', () => {
  const theirs = sent(form);
  const text = theirs.request.body.toString();
  const why = (value: string, headers = theirs.request.headers) =>
    whyOf(refusedOf(theirs, { ...body(value), headers }))?.cause;

  it('a plus that was decoded, a form encoded twice, turned into JSON', () => {
    expect(why(text.replaceAll('%2B', '+'))).toBe('body_form_encoding');
    expect(why(text.replaceAll('%', '%25'))).toBe('body_form_encoding');
    const object = JSON.stringify(Object.fromEntries(new URLSearchParams(text)));
    const headers = new Map([...theirs.request.headers, ['content-type', 'application/json']]);
    expect(why(object, headers)).toBe('body_converted');
    expect(why(text, headers)).toBe('content_type_changed');
  });

  it('empty fields that a middleware dropped', () => {
    const fields = {
      ...Object.fromEntries(new URLSearchParams(text)),
      ToCity: '',
      ToZip: '',
      ToState: '',
    };
    const url = ownUrl;
    const full = { ...form, rawBody: new URLSearchParams(fields).toString() };
    const whole = sent(full, url);
    const kept = [...new URLSearchParams(fields)].filter(([, value]) => value !== '');
    const refused = refusedOf(whole, body(new URLSearchParams(kept).toString()));
    expect(whyOf(refused)?.cause).toBe('body_form_emptied');
  });

  it('a digest in the query that a proxy dropped, a body that is not the digest’s', () => {
    const events = sent(stored('twilio-eventstreams-call-completed'));
    const [bare = ''] = events.request.url.split('?');
    expect(whyOf(refusedOf(events, { url: bare }))?.cause).toBe('url_query_missing');
    expect(whyOf(refusedOf(events, body('[{"id":"other"}]')))?.cause).toBe('body_changed');
  });

  it('another account’s delivery', () => {
    const credential = { ...theirs.credential, accountSid: 'AC00000000000000000000000000000099' };
    expect(whyOf(refusedOf(theirs, {}, { credentials: [credential] }))?.cause).toBe(
      'account_mismatch',
    );
  });
});

describe('Telnyx', () => {
  const theirs = sent(json);
  const text = theirs.request.body.toString();

  it('JSON with its keys sorted before it was signed, other escapes, compressed', () => {
    const why = (signed: string, received: Buffer) => {
      const whole = sent({ ...json, rawBody: signed });
      return whyOf(refusedOf(whole, { body: received }))?.cause;
    };
    const value = { b: 'é/x', a: 1 };
    expect(why('{"a":1,"b":"é/x"}', Buffer.from(JSON.stringify(value)))).toBe('body_json_keys');
    expect(why('{"a":"\\u00e9"}', Buffer.from('{"a":"é"}'))).toBe('body_json_escapes');
    expect(why('{"a":"x\\/y"}', Buffer.from('{"a":"x/y"}'))).toBe('body_json_escapes');
    expect(why('{\r\n"a": 1}', Buffer.from('{\n"a": 1}'))).toBe('body_line_ends');
    const latin1 = Buffer.from('{"a":"é"}').toString('latin1');
    expect(why('{"a":"é"}', Buffer.from(latin1, 'utf8'))).toBe('body_charset');
  });

  it('body compressed on the way', async () => {
    const { gzipSync, deflateSync, brotliCompressSync } = await import('node:zlib');
    for (const compress of [gzipSync, deflateSync, brotliCompressSync]) {
      const headers = new Map([...theirs.request.headers, ['content-encoding', 'x']]);
      const why = whyOf(refusedOf(theirs, { body: compress(text), headers }));
      expect(why?.cause).toBe('body_compressed');
    }
  });

  it('a key in hex, as PEM, with a prefix', () => {
    const key = theirs.credential['publicKeyBase64'] ?? '';
    const raw = Buffer.from(key, 'base64');
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]).toString(
      'base64',
    );
    const pem = `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----`;
    for (const publicKeyBase64 of [raw.toString('hex'), spki, pem, raw.toString('base64url')]) {
      const why = whyOf(refusedOf(theirs, {}, { credentials: [{ publicKeyBase64 }] }));
      expect(why?.cause).toBe('credential_encoding');
    }
  });

  it('no live credential that works', () => {
    expect(whyOf(refusedOf(theirs, {}, { credentials: [] }))?.cause).toBe('credential_unusable');
  });
});

describe('a search', () => {
  it('ends within its bound of work, and says so of what it does not look into', () => {
    for (const delivery of examples) {
      const theirs = sent(delivery);
      const { endpoint: other } = accountOf(delivery.provider);
      const work = { units: workUnits.full, spent: 0 };
      explain(refusedOf(theirs, {}, { credentials: [other, other, other] }), work);
      expect(work.spent).toBeLessThan(workUnits.full * 1.2);
    }
    const large = { body: Buffer.alloc(maxExaminedBytes + 1, 0x20) };
    expect(explain(refusedOf(sent(json), large)).cause).toBe('not_examined');
  });

  it('never throws, never takes long, never says a value, whatever was sent', () => {
    const secret = fc.string({ minLength: 6, maxLength: 40 });
    const text = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.json(),
      fc.webQueryParameters(),
      fc.constant('"\\'.repeat(5_000)),
      fc.constant('['.repeat(20_000)),
    );
    const names = fc.constantFrom('authToken', 'accountSid', 'publicKeyBase64', 'signingSecret');
    const headerNames = fc.constantFrom(
      'x-twilio-signature',
      'telnyx-signature-ed25519',
      'telnyx-timestamp',
      'content-type',
      'host',
      'x-forwarded-host',
      'x-forwarded-prefix',
      'x-original-url',
      'content-encoding',
    );
    fc.assert(
      fc.property(
        fc.record({
          provider: fc.constantFrom(...examples.map(({ provider }) => provider)),
          method: fc.constantFrom('GET' as const, 'POST' as const),
          url: fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string()),
          headers: fc.dictionary(headerNames, fc.oneof(fc.string(), fc.base64String())),
          content: text,
          credential: fc.dictionary(names, secret),
        }),
        ({ provider, method, url, headers, content, credential }) => {
          const request = {
            method,
            url,
            headers: new Map(Object.entries(headers)),
            body: Buffer.from(content),
          };
          const startedAt = process.cpuUsage();
          const why = explain({
            provider,
            request,
            target: url,
            nowMs,
            credentials: [credential],
            retired: [credential],
            others: [],
            installationUrl: url,
          });
          const { user, system } = process.cpuUsage(startedAt);
          expect((user + system) / 1000).toBeLessThan(2_000);
          const { says, fix } = causeWords(why.cause, {
            provider,
            offsetMs: why.offsetMs,
            other: why.other,
          });
          expect(causeCodes).toContain(why.cause);
          const told = JSON.stringify({ ...why, says, fix });
          for (const value of Object.values(credential)) {
            if (value.trim().length >= 6) expect(told).not.toContain(value);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('no cause has a blank that is not filled', () => {
    for (const code of causeCodes) {
      const { says, fix } = causeWords(code, {
        endpoint: 'ep_x',
        provider: 'Twilio',
        other: 'ep_y',
        offsetMs: -90_000,
      });
      expect(`${says} ${fix}`).not.toMatch(/[{}]|undefined/);
    }
  });
});
