// Bench part: what the verification of a delivery costs, for every provider of the registry. In: how often.
// Out: µs for each sort of request that is stored of a provider, signed anew with its body filled up to
// 1 KB; for Ed25519 the same in turn by node:crypto alone.

import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';

import { providerNames, providerOf } from '../ingest/providers/registry.js';
import { verifyDelivery } from '../ingest/verify.js';
import type { Endpoint } from '../runtime/registry.js';
import type { RawDelivery } from '../schemas/stages.js';
import {
  accountOf,
  endpointOf,
  publicBase,
  rawOf,
  storedDeliveries,
  type StoredDelivery,
} from '../test/ingest/stored-deliveries.js';
import { median, partOptions, say } from './measure.js';

const { rounds } = partOptions<{ readonly rounds: number }>();

const wantedBytes = 1024;
/** Different requests of one sort, so that nothing is known from the last one. */
const requests = 64;
/** Calls of one measurement: some ms of them. */
const repeats = 8;
/** By this name the files of providers call an Ed25519 key. */
const ed25519Key = 'publicKeyBase64';

/** One sort of request of a provider. */
interface Case {
  readonly name: string;
  readonly bytes: number;
  readonly isEd25519: boolean;
  readonly work: () => void;
}

const mediaTypeOf = (headers: ReadonlyMap<string, string>): string =>
  (headers.get('content-type') ?? '').replace(/;.*/s, '').replace(/^.*[/+]/s, '');

/** `POST json`, `POST form`, `GET`: what decides how a request is read. */
function sortOf(raw: RawDelivery): string {
  const type = mediaTypeOf(raw.headers);
  return `${raw.method} ${type === 'x-www-form-urlencoded' ? 'form' : type}`.trim();
}

/** The body filled up with a field that its provider does not send; one that cannot be stays. */
function filled(raw: RawDelivery, index: number): Buffer {
  const { body } = raw;
  const missing = wantedBytes - body.length - 16;
  if (body.length === 0 || missing <= 0) return body;
  const filling = String(index % 10).repeat(missing);
  if (sortOf(raw).endsWith('form')) return Buffer.from(`${body.toString()}&Filling=${filling}`);
  const parsed: unknown = JSON.parse(body.toString());
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    ? Buffer.from(JSON.stringify({ ...parsed, filling }))
    : body;
}

interface Signed {
  readonly raw: RawDelivery;
  readonly endpoint: Endpoint;
}

/** Signed anew for an account of our own; null where the provider's file cannot. */
function signedAnew(delivery: StoredDelivery, index: number): Signed | null {
  const raw = rawOf(delivery);
  const { sender, endpoint } = accountOf(delivery.provider);
  const drop = new Set(['host', 'content-length']);
  const headers = Object.fromEntries([...raw.headers].filter(([name]) => !drop.has(name)));
  const outgoing = {
    method: delivery.method,
    url: delivery.url,
    headers,
    body: filled(raw, index),
  };
  const signed = providerOf(delivery.provider).sign(outgoing, sender, raw.receivedAt);
  if (signed === null) return null;
  const target = signed.url.slice(publicBase.length);
  const lower = new Map(Object.entries(signed.headers));
  return {
    raw: { ...raw, target, headers: lower, body: signed.body },
    endpoint: endpointOf(delivery.provider, [endpoint]),
  };
}

/** What is verified: the requests signed anew, or the stored one as it is. */
function casesOf(provider: string): readonly Case[] {
  const sorts = new Map<string, StoredDelivery>();
  for (const delivery of storedDeliveries) {
    const sort = sortOf(rawOf(delivery));
    if (delivery.provider === provider && !sorts.has(sort)) sorts.set(sort, delivery);
  }
  return [...sorts].map(([sort, delivery]) => {
    const anew = Array.from({ length: requests }, (_none, index) => signedAnew(delivery, index));
    const asStored = { raw: rawOf(delivery), endpoint: endpointOf(provider) };
    const all = anew.map((one) => one ?? asStored);
    for (const { raw, endpoint } of all) {
      const outcome = verifyDelivery(raw, endpoint, raw.receivedAt);
      if (!outcome.ok) throw new Error(`${delivery.file} is not verified: ${outcome.code}`);
    }
    const [first = asStored] = all;
    return {
      name: `${provider}, ${sort}`,
      bytes: first.raw.body.length,
      isEd25519: first.endpoint.credentials.some(({ value }) => ed25519Key in value),
      work: () => {
        for (const { raw, endpoint } of all) verifyDelivery(raw, endpoint, raw.receivedAt);
      },
    };
  });
}

/** The least that judges an Ed25519 signature of a message of 1 KB. */
function bareEd25519(): () => void {
  const pair = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
  const publicKey = createPublicKey({ key: pair.publicKey, format: 'der', type: 'spki' });
  const privateKey = createPrivateKey({ key: pair.privateKey, format: 'der', type: 'pkcs8' });
  const signed = Array.from({ length: requests }, (_none, index) => {
    const message = Buffer.alloc(wantedBytes, index);
    return { message, signature: sign(null, message, privateKey) };
  });
  return () => {
    for (const { message, signature } of signed) verify(null, message, publicKey, signature);
  };
}

/** CPU µs of one verification. */
function timed(work: () => void): number {
  const before = process.cpuUsage();
  for (let repeat = 0; repeat < repeats; repeat += 1) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (repeats * requests);
}

const ours = providerNames.flatMap((name) => casesOf(name));
const bare = bareEd25519();
const found = ours.map(({ name, bytes, isEd25519 }) => ({
  ...{ name, bytes, isEd25519 },
  us: [] as number[],
  bareUs: [] as number[],
}));
// The first third warms up; ways alternate.
for (let round = 0; round < rounds * 1.5; round += 1) {
  for (const [index, { isEd25519, work }] of ours.entries()) {
    const us = timed(work);
    const bareUs = isEd25519 ? timed(bare) : null;
    if (round < rounds / 2) continue;
    found[index]?.us.push(us);
    if (bareUs !== null) found[index]?.bareUs.push(bareUs);
  }
}
say({
  cases: found.map(({ name, bytes, us, bareUs }) => ({
    ...{ name, bytes, us: median(us), usAll: us, bareUsAll: bareUs },
    bareUs: bareUs.length === 0 ? null : median(bareUs),
  })),
});
