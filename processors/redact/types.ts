// Redaction: what is found and how it is named. In: nothing. Out: types, their labels, spans.

/** Types of values with the word of their label. Names of types follow Presidio's where it has one. */
export const labelWords = {
  PHONE_NUMBER: 'PHONE',
  EMAIL_ADDRESS: 'EMAIL',
  PERSON: 'PERSON',
  ADDRESS: 'ADDRESS',
  LOCATION: 'LOCATION',
  ORGANIZATION: 'ORGANIZATION',
  US_ZIP: 'ZIP',
  UK_POSTCODE: 'POSTCODE',
  CREDIT_CARD: 'CARD',
  CREDIT_CARD_EXPIRY: 'CARD_EXPIRY',
  CREDIT_CARD_CVV: 'CVV',
  US_SSN: 'SSN',
  US_ITIN: 'ITIN',
  IBAN_CODE: 'IBAN',
  US_BANK_NUMBER: 'BANK_ACCOUNT',
  ABA_ROUTING_NUMBER: 'ROUTING',
  PASSPORT: 'PASSPORT',
  US_PASSPORT: 'PASSPORT',
  UK_PASSPORT: 'PASSPORT',
  DE_PASSPORT: 'PASSPORT',
  ES_PASSPORT: 'PASSPORT',
  IT_PASSPORT: 'PASSPORT',
  DRIVER_LICENSE: 'LICENSE',
  US_DRIVER_LICENSE: 'LICENSE',
  UK_DRIVING_LICENCE: 'LICENSE',
  IT_DRIVER_LICENSE: 'LICENSE',
  DATE_OF_BIRTH: 'BIRTH_DATE',
  DATE_TIME: 'DATE',
  AGE: 'AGE',
  IP_ADDRESS: 'IP',
  MAC_ADDRESS: 'MAC',
  URL: 'URL',
  CRYPTO: 'WALLET',
  SECRET: 'SECRET',
  OTP: 'CODE',
  REFERENCE: 'REFERENCE',
  EMPLOYEE_ID: 'EMPLOYEE',
  NUMBER: 'NUMBER',
  NATIONAL_ID: 'ID',
  AU_ABN: 'ID',
  AU_ACN: 'ID',
  AU_MEDICARE: 'ID',
  AU_TFN: 'ID',
  CA_SIN: 'ID',
  DE_HEALTH_INSURANCE: 'ID',
  DE_ID_CARD: 'ID',
  DE_SOCIAL_SECURITY: 'ID',
  DE_TAX_ID: 'ID',
  ES_NIE: 'ID',
  ES_NIF: 'ID',
  FI_PERSONAL_IDENTITY_CODE: 'ID',
  IT_FISCAL_CODE: 'ID',
  IT_IDENTITY_CARD: 'ID',
  IT_VAT_CODE: 'ID',
  MEDICAL_LICENSE: 'ID',
  PL_PESEL: 'ID',
  SE_PERSONNUMMER: 'ID',
  UK_NHS: 'ID',
  UK_NINO: 'ID',
  UK_VEHICLE_REGISTRATION: 'PLATE',
  US_MBI: 'ID',
  US_NPI: 'ID',
  CUSTOM: 'CUSTOM',
} as const;

/** A type of value that the engine finds. */
export type PiiType = keyof typeof labelWords;

/**
 * Where a value stood: UTF-16 offsets into the whole input, end exclusive; the label that stands in its place;
 * the rule that found it. Never the value.
 */
export interface RedactionSpan {
  readonly start: number;
  readonly end: number;
  readonly type: PiiType;
  readonly label: string;
  readonly rule: string;
}

/** How sure a rule is; where candidates overlap, the surer one names the whole. */
export const sure = { checked: 5, cued: 4, shaped: 3, listed: 2, guessed: 1 } as const;

/** A part of the text that a rule takes for a value. */
export interface Candidate {
  readonly start: number;
  readonly end: number;
  readonly type: PiiType;
  readonly rule: string;
  /** One of `sure`. */
  readonly score: number;
  /** The value as it is compared with others of its type; absent: its letters and digits. Never leaves the engine. */
  readonly key?: string;
}
