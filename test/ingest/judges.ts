// The senders' official verifiers as judges of ours, at a clock of the test's. Each says whether it takes a
// request; that it throws afterwards because a body is no JSON is not about the signature.

import { createRequire } from 'node:module';

/** A request as a judge is handed it. */
export interface JudgedRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** The SDKs read the clock themselves, and none waits before it has. */
export function atClock<T>(nowMs: number, judge: () => T): T {
  const own = Date.now;
  Date.now = () => nowMs;
  try {
    return judge();
  } finally {
    Date.now = own;
  }
}

interface MessageVerifier {
  verify(
    payload: string,
    headers: Readonly<Record<string, string>>,
    options?: { readonly jsonParse: false },
  ): unknown;
  sign(id: string, timestamp: Date, payload: string): string;
}
type MessageVerifierClass = new (secret: string) => MessageVerifier;

interface StripeWebhooks {
  readonly signature: {
    verifyHeader(payload: Buffer, header: string, secret: string, toleranceSec: number): boolean;
  };
  generateTestHeaderString(options: {
    readonly payload: string;
    readonly secret: string;
    readonly timestamp: number;
  }): string;
}

const require = createRequire(import.meta.url);
export const { Webhook: Svix } = require('svix') as { readonly Webhook: MessageVerifierClass };
export const { Webhook: StandardWebhooks } = require('standardwebhooks') as {
  readonly Webhook: MessageVerifierClass;
};
export const { webhooks: stripeSdk } = require('stripe') as { readonly webhooks: StripeWebhooks };
const { verifyWebhook } = require('@clerk/backend/webhooks') as {
  readonly verifyWebhook: (
    request: Request,
    options: { readonly signingSecret: string },
  ) => Promise<unknown>;
};

const doesNotThrow = (work: () => unknown): boolean => {
  try {
    work();
    return true;
  } catch (thrown) {
    return thrown instanceof SyntaxError;
  }
};

export const svixTakes = (
  { headers, body }: JudgedRequest,
  secret: string,
  nowMs: number,
): boolean =>
  doesNotThrow(() => atClock(nowMs, () => new Svix(secret).verify(body.toString('utf8'), headers)));

export const standardWebhooksTakes = (
  { headers, body }: JudgedRequest,
  secret: string,
  nowMs: number,
): boolean =>
  doesNotThrow(() =>
    atClock(nowMs, () => new StandardWebhooks(secret).verify(body.toString('utf8'), headers)),
  );

export const stripeTakes = (
  { headers, body }: JudgedRequest,
  secret: string,
  nowMs: number,
): boolean =>
  doesNotThrow(() =>
    atClock(nowMs, () =>
      stripeSdk.signature.verifyHeader(body, headers['stripe-signature'] ?? '', secret, 300),
    ),
  );

/** Asks Clerk's own verifier, which reads a fetch Request and waits for its body; `nowMs` must be the clock's. */
export async function clerkTakes(
  { headers, body }: JudgedRequest,
  signingSecret: string,
): Promise<boolean> {
  const request = new Request('https://hooks.example.com', {
    method: 'POST',
    headers: { ...headers },
    body: new Uint8Array(body),
  });
  return verifyWebhook(request, { signingSecret }).then(
    () => true,
    (thrown: unknown) => String(thrown).includes('JSON'),
  );
}
