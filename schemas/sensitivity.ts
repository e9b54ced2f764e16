// What travels: which fields are personal or secret. The single source for sealing (processors),
// log redaction (runtime/logger) and what a role sees (gateway).

/** `safe` may stand anywhere; `personal` only sealed; `secret` never leaves ingest. */
export type Sensitivity = 'safe' | 'personal' | 'secret';

/** Fields by name wherever they occur; a field that is not listed is safe. */
export const fieldSensitivity = {
  from: 'personal',
  to: 'personal',
  number: 'personal',
  body: 'personal',
  personal: 'personal',
  name: 'personal',
  email: 'personal',
  url: 'personal',
  clientAddress: 'personal',
  rawBody: 'personal',
  raw: 'personal',
  authToken: 'secret',
  token: 'secret',
  secret: 'secret',
  password: 'secret',
  authorization: 'secret',
  cookie: 'secret',
  credentials: 'secret',
  masterKey: 'secret',
} as const satisfies Readonly<Record<string, Sensitivity>>;

export const sensitivityOf = (name: string): Sensitivity =>
  (fieldSensitivity as Readonly<Record<string, Sensitivity>>)[name] ?? 'safe';
