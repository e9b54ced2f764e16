// Scheduler, providers: those whose API can be asked after calls.

import type { ProviderName } from '../../schemas/facts.js';
import type { ProviderApi } from './provider-api.js';
import { telnyx } from './telnyx.js';
import { twilio } from './twilio.js';

const apis: readonly ProviderApi[] = [twilio, telnyx];

export const apiNames: readonly ProviderName[] = apis.map(({ provider }) => provider);

/** Null for a provider without an API file. */
export const apiOf = (provider: ProviderName): ProviderApi | null =>
  apis.find((api) => api.provider === provider) ?? null;
