// Fuzzing: the senders' SDKs where a signature does not say where a name ends and its value begins: `Ab=cd` and
// `A=bcd` are signed alike (provider sheet, section 1). What such an SDK takes is no fault of ours.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parse } from 'node:querystring';

import type { OutgoingDelivery, StoredCredential } from '../../../ingest/providers/provider.js';

type Params = ReturnType<typeof parse>;
type Judge = (request: OutgoingDelivery, sender: StoredCredential) => boolean;

interface FormSdk {
  validateRequest(token: string, header: string, url: string, params: Params): boolean;
}
interface PlivoSdk {
  validateV3Signature(
    ...all: [
      method: string,
      url: string,
      nonce: string,
      token: string,
      header: string,
      params: Params,
    ]
  ): boolean;
}

const require = createRequire(import.meta.url);
const twilioSdk = require('twilio/lib/webhooks/webhooks.js') as FormSdk;
const plivoSdk = require('plivo/dist/utils/v3Security.js') as PlivoSdk;
const signalwire = dirname(require.resolve('@signalwire/compatibility-api'));
const signalwireSdk = require(join(signalwire, '../lib/webhooks/webhooks.js')) as FormSdk;

const paramsOf = ({ body }: OutgoingDelivery): Params =>
  parse(body.toString('utf8'), '&', '=', { maxKeys: 0 });
const header = ({ headers }: OutgoingDelivery, ...names: string[]): string =>
  names.map((name) => headers[name]).find((value) => value !== undefined) ?? '';

const judges: Readonly<Record<string, Judge>> = {
  twilio: (request, { authToken = '' }) =>
    twilioSdk.validateRequest(
      ...([authToken, header(request, 'x-twilio-signature')] as const),
      ...([request.url, paramsOf(request)] as const),
    ),
  signalwire: (request, { signingKey = '' }) =>
    signalwireSdk.validateRequest(
      ...([signingKey, header(request, 'x-signalwire-signature', 'x-twilio-signature')] as const),
      ...([request.url, paramsOf(request)] as const),
    ),
  plivo: (request, { authToken = '' }) =>
    plivoSdk.validateV3Signature(
      ...([request.method, request.url, header(request, 'x-plivo-signature-v3-nonce')] as const),
      authToken,
      header(request, 'x-plivo-signature-v3', 'x-plivo-signature-ma-v3'),
      paramsOf(request),
    ),
};

/** Whether the sender's own SDK takes the request too; false where it is not asked. */
export function sdkTakes(
  provider: string,
  request: OutgoingDelivery,
  sender: StoredCredential,
): boolean {
  try {
    return judges[provider]?.(request, sender) ?? false;
  } catch {
    return false;
  }
}
