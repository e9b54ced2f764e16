// Simulator: secrets of simulated accounts, in the forms their providers give them out.

import { randomBytes } from 'node:crypto';

/** `whsec_` and 24 bytes in base64, as Svix and Standard Webhooks have it. */
export const newSigningSecret = (): string => `whsec_${randomBytes(24).toString('base64')}`;

/** 32 bytes as hexadecimal text. */
export const newTextSecret = (): string => randomBytes(32).toString('hex');
