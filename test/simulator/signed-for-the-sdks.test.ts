// What the simulator sends is accepted by the providers' own SDKs.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { verifySignature } from '@vonage/jwt';
import { describe, expect, it } from 'vitest';
import { requestOf } from '../../cli/simulator/activity.js';
import { simulatedProvider } from '../../cli/simulator/providers.js';
import { seededRandom } from '../../cli/simulator/random.js';
import { nextActivity } from '../../cli/simulator/run.js';
import { signOutgoing } from '../../cli/simulator/sign.js';
import type { OutgoingDelivery } from '../../ingest/providers/provider.js';
import { providerOf } from '../../ingest/providers/registry.js';

const require = createRequire(import.meta.url);
const plivo = require('plivo/dist/utils/v3Security.js') as {
  validateV3Signature(...parts: [...string[], Record<string, string>]): boolean;
};
const compatible = require(
  join(dirname(require.resolve('@signalwire/compatibility-api')), '../lib/webhooks/webhooks.js'),
) as { validateRequest(key: string, header: string, url: string, params: object): boolean };
const web = require('@signalwire/web-api') as {
  validateRequest(key: string, header: string, url: string, rawBody: string): boolean;
};

type Judge = (delivery: OutgoingDelivery, secrets: Readonly<Record<string, string>>) => boolean;

const textOf = ({ body }: OutgoingDelivery): string => body.toString();
const fieldsOf = (delivery: OutgoingDelivery): Record<string, string> =>
  Object.fromEntries(new URLSearchParams(textOf(delivery)));

const judges: Readonly<Record<string, Judge>> = {
  vonage: ({ headers }, { signatureSecret = '' }) =>
    verifySignature((headers['authorization'] ?? '').replace('Bearer ', ''), signatureSecret),
  plivo: (delivery, { authToken = '' }) => {
    const { method, url, headers } = delivery;
    const nonce = headers['x-plivo-signature-v3-nonce'] ?? '';
    const given = headers['x-plivo-signature-v3'] ?? '';
    return plivo.validateV3Signature(method, url, nonce, authToken, given, fieldsOf(delivery));
  },
  signalwire: (delivery, { signingKey = '' }) => {
    const { url, headers } = delivery;
    const given = headers['x-signalwire-signature'] ?? '';
    return headers['content-type']?.includes('json') === true
      ? web.validateRequest(signingKey, given, url, textOf(delivery))
      : compatible.validateRequest(signingKey, given, url, fieldsOf(delivery));
  },
};

describe.each(Object.entries(judges))('what is played of %s', (provider, judge) => {
  it('is accepted by its SDK, and not with another secret', () => {
    const { sender } = simulatedProvider(provider).newAccount();
    const url = 'https://hooks.example.com/v1/webhooks/ep_0000000000000001?from=simulator';
    const random = seededRandom(9);
    const wrong = Object.fromEntries(Object.keys(sender).map((name) => [name, 'another']));
    let sent = 0;
    for (let at = 0; at < 60; at += 1) {
      for (const step of nextActivity({ provider, url, sender }, random, 0.3).steps) {
        const request = requestOf(step.content(1_790_848_800_000, 1), url);
        const signed = signOutgoing(providerOf(provider), request, sender, 1_790_848_800_000);
        expect(judge(signed, sender)).toBe(true);
        expect(judge(signed, wrong)).toBe(false);
        sent += 1;
      }
    }
    expect(sent).toBeGreaterThan(100);
  });
});
