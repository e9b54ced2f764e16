// Redaction: the table of written identifiers. In: letters and digits of a candidate, its digits grouped as written.
// Out: type and how sure. A new identifier is a row here.

import * as check from './checksums.js';
import { cue } from './lexicon.js';
import { sure, type PiiType } from './types.js';
import { ibanLengths } from './words/iban.js';

/** One written form. */
export interface IdentifierRule {
  readonly type: PiiType;
  /** Letters and digits it may have. */
  readonly lengths: readonly number[];
  /** Over letters and digits without separators, upper case. */
  readonly pattern: RegExp;
  readonly valid?: (text: string, raw: string) => boolean;
  /** How sure without a cue; absent when it counts on a cue alone. */
  readonly bare?: number;
  /** Cues that make it sure enough. */
  readonly cues?: number;
}

const shaped = sure.shaped;
const checked = sure.checked;

/** Separators are all alike: 078-05-1120, not 078-05 1120. */
const evenly = (raw: string): boolean => {
  const marks = raw.replace(/[\p{L}\p{N}]/gu, '');
  return marks === '' || check.isUniform(marks);
};

const ssn = (text: string, raw: string): boolean =>
  evenly(raw) &&
  /^\d{3}(\D?)\d{2}\1\d{4}$/.test(raw) &&
  !/^(?:000|666|9)|^...00|0000$/.test(text) &&
  !check.isUniform(text) &&
  text !== '123456789';

const itin = (text: string): boolean => /^9\d\d(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])/.test(text);

const iban = (text: string): boolean =>
  ibanLengths[text.slice(0, 2)] === text.length &&
  check.mod97(text.slice(4) + text.slice(0, 4)) === 1;

const pesel = (text: string): boolean =>
  check.pesel(text) && check.isDay(Number(text.slice(2, 4)) % 20, Number(text.slice(4, 6)));

/** Swedish numbers: coordination numbers add 60 to the day. */
const personnummer = (text: string): boolean => {
  const ten = text.slice(-10);
  const day = Number(ten.slice(4, 6));
  const century = text.length === 10 || /^(?:18|19|20)/.test(text);
  return (
    century && check.luhn(ten) && check.isDay(Number(ten.slice(2, 4)), day > 60 ? day - 60 : day)
  );
};

const hetu = (text: string, raw: string): boolean =>
  /^\d{6}[-+A-FU-Y]\d{3}[0-9A-Z]$/i.test(raw) &&
  check.isDay(Number(text.slice(2, 4)), Number(text.slice(0, 2))) &&
  check.hetu(text);

const taxId = (text: string): boolean => check.mod1110(text) && !check.isUniform(text.slice(0, 10));

const rvnr = (text: string): boolean =>
  check.rvnr(text) && check.isDay(Number(text.slice(4, 6)), Number(text.slice(2, 4)) % 50 || 1);

const card = (text: string): boolean => {
  if (!check.luhn(text) || check.isUniform(text)) return false;
  const size = text.length;
  if (size === 15) return /^(?:3[47]|1|2131|2014|2149)/.test(text);
  if (size === 14) return /^3[0689]/.test(text);
  if (size === 13) return text.startsWith('4');
  if (size === 16) return /^[2-689]/.test(text);
  return /^[456]/.test(text);
};

/** Identifiers in order of preference where two of one length fit. */
export const identifierRules: readonly IdentifierRule[] = [
  {
    type: 'IBAN_CODE',
    lengths: [...new Set(Object.values(ibanLengths))],
    pattern: /^[A-Z]{2}\d{2}[A-Z0-9]+$/,
    valid: iban,
    bare: checked,
  },
  {
    type: 'IBAN_CODE',
    lengths: [...new Set(Object.values(ibanLengths))],
    pattern: /^[A-Z]{2}\d{2}[A-Z0-9]{11,}$/,
    cues: cue.account,
  },
  {
    type: 'CREDIT_CARD',
    lengths: [12, 13, 14, 15, 16, 17, 18, 19],
    pattern: /^\d+$/,
    valid: card,
    bare: checked,
    cues: cue.card,
  },
  {
    type: 'US_MBI',
    lengths: [11],
    pattern:
      /^[1-9][AC-HJ-KM-NP-RT-Y][AC-HJ-KM-NP-RT-Y0-9]\d[AC-HJ-KM-NP-RT-Y][AC-HJ-KM-NP-RT-Y0-9]\d[AC-HJ-KM-NP-RT-Y]{2}\d{2}$/,
    bare: shaped,
  },
  { type: 'US_SSN', lengths: [9], pattern: /^\d+$/, valid: ssn, bare: shaped, cues: cue.social },
  {
    type: 'US_ITIN',
    lengths: [9],
    pattern: /^\d+$/,
    valid: (text, raw) => itin(text) && /^\d{3}(\D?)\d{2}\1\d{4}$/.test(raw),
    bare: shaped,
    cues: cue.identity | cue.social,
  },
  {
    type: 'CA_SIN',
    lengths: [9],
    pattern: /^[1-79]\d{8}$/,
    valid: (text, raw) => check.luhn(text) && evenly(raw) && !check.isUniform(text),
    bare: shaped,
    cues: cue.identity | cue.insurance,
  },
  {
    type: 'ABA_ROUTING_NUMBER',
    lengths: [9],
    pattern: /^(?:0\d|1[0-2]|2[1-9]|3[0-2]|6[1-9]|7[0-2]|80)\d{7}$/,
    valid: check.aba,
    bare: shaped,
    cues: cue.routing,
  },
  {
    type: 'AU_TFN',
    lengths: [9],
    pattern: /^\d+$/,
    valid: check.tfn,
    bare: shaped,
    cues: cue.identity,
  },
  {
    type: 'AU_ACN',
    lengths: [9],
    pattern: /^\d+$/,
    valid: check.acn,
    bare: shaped,
    cues: cue.identity,
  },
  {
    type: 'UK_NHS',
    lengths: [10],
    pattern: /^\d+$/,
    valid: check.nhs,
    bare: shaped,
    cues: cue.insurance,
  },
  {
    type: 'US_NPI',
    lengths: [10],
    pattern: /^[12]\d+$/,
    valid: check.npi,
    bare: shaped,
    cues: cue.identity,
  },
  {
    type: 'AU_MEDICARE',
    lengths: [10],
    pattern: /^[2-6]\d+$/,
    valid: check.medicare,
    bare: shaped,
    cues: cue.insurance,
  },
  {
    type: 'SE_PERSONNUMMER',
    lengths: [10, 12],
    pattern: /^\d+$/,
    valid: personnummer,
    bare: shaped,
    cues: cue.identity,
  },
  {
    type: 'PL_PESEL',
    lengths: [11],
    pattern: /^\d+$/,
    valid: pesel,
    bare: shaped,
    cues: cue.identity,
  },
  {
    type: 'DE_TAX_ID',
    lengths: [11],
    pattern: /^[1-9]\d+$/,
    valid: taxId,
    bare: shaped,
    cues: cue.identity,
  },
  {
    type: 'AU_ABN',
    lengths: [11],
    pattern: /^\d+$/,
    valid: check.abn,
    bare: shaped,
    cues: cue.identity,
  },
  {
    type: 'IT_VAT_CODE',
    lengths: [11],
    pattern: /^\d+$/,
    valid: (text) => check.luhn(text) && !text.startsWith('0000000'),
    bare: shaped,
    cues: cue.identity,
  },
  {
    type: 'FI_PERSONAL_IDENTITY_CODE',
    lengths: [10, 11],
    pattern: /^\d{6}[A-Z]?\d{3}[0-9A-Z]$/,
    valid: hetu,
    bare: checked,
  },
  {
    type: 'DE_HEALTH_INSURANCE',
    lengths: [10],
    pattern: /^[A-Z]\d{9}$/,
    valid: check.kvnr,
    bare: shaped,
  },
  {
    type: 'DE_SOCIAL_SECURITY',
    lengths: [12],
    pattern: /^\d{8}[A-Z]\d{3}$/,
    valid: rvnr,
    bare: checked,
  },
  {
    type: 'DE_PASSPORT',
    lengths: [9],
    pattern: /^[CFGHJK][CFGHJ-NPRTV-Z0-9]{7}\d$/,
    valid: check.icao,
    bare: shaped,
  },
  {
    type: 'DE_ID_CARD',
    lengths: [9],
    pattern: /^[CFGHJ-NPRTV-Z][CFGHJ-NPRTV-Z0-9]{7}\d$/,
    valid: (text) => check.icao(text) || /^T\d{8}$/.test(text),
    bare: shaped,
  },
  { type: 'ES_NIE', lengths: [9], pattern: /^[XYZ]\d{7}[A-Z]$/, valid: check.nie, bare: checked },
  { type: 'ES_NIF', lengths: [8, 9], pattern: /^\d{7,8}[A-Z]$/, valid: check.nif, bare: shaped },
  {
    type: 'MEDICAL_LICENSE',
    lengths: [9],
    pattern: /^[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}$/,
    valid: check.dea,
    bare: shaped,
    cues: cue.identity,
  },
  {
    type: 'UK_NINO',
    lengths: [9],
    pattern: /^(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]$/,
    bare: shaped,
  },
  {
    type: 'UK_DRIVING_LICENCE',
    lengths: [16],
    pattern:
      /^[A-Z9]{5}\d(?:0[1-9]|1[0-2]|5[1-9]|6[0-2])(?:0[1-9]|[12]\d|3[01])\d[A-Z9]{2}[A-Z0-9]{3}$/,
    bare: shaped,
  },
  {
    type: 'IT_FISCAL_CODE',
    lengths: [16],
    pattern: /^[A-Z]{6}[\dL-NP-V]{2}[A-EHLMPR-T][\dL-NP-V]{2}[A-Z][\dL-NP-V]{3}[A-Z]$/,
    valid: check.fiscalCode,
    bare: checked,
  },
  {
    type: 'IT_FISCAL_CODE',
    lengths: [16],
    pattern: /^[A-Z]{6}[\dL-NP-V]{2}[A-Z][\dL-NP-V]{2}[A-Z][\dL-NP-V]{3}[A-Z]$/,
    bare: shaped,
  },
  {
    type: 'IT_DRIVER_LICENSE',
    lengths: [10],
    pattern: /^(?:[A-Z]{2}\d{7}[A-Z]|U1[BCDFGHLJKMNPRSTUWYXZ0-9]{7}[A-Z])$/,
    bare: shaped,
  },
  {
    type: 'UK_VEHICLE_REGISTRATION',
    lengths: [7],
    pattern: /^[A-HJ-PR-Y]{2}(?:0[1-9]|[12]\d|5[1-9]|[67]\d)[A-HJ-PR-Z]{3}$/,
    bare: shaped,
  },
  {
    type: 'UK_VEHICLE_REGISTRATION',
    lengths: [5, 6, 7],
    pattern: /^(?:[A-HJ-NPR-TV-Y]\d{1,3}[A-HJ-PR-Y]{3}|[A-HJ-PR-Y]{3}\d{1,3}[A-HJ-NPR-TV-Y])$/,
    cues: cue.plate,
  },
  {
    type: 'UK_POSTCODE',
    lengths: [5, 6, 7],
    pattern:
      /^(?:GIR0AA|[A-PR-UWYZ](?:\d[\dA-HJKSTUW]?|[A-HK-Y]\d[\dABEHMNPRV-Y]?)\d[ABD-HJLNP-UW-Z]{2})$/,
    valid: (_text, raw) => /\s\d[A-Za-z]{2}$/.test(raw) && raw === raw.toUpperCase(),
    bare: shaped,
    cues: cue.postcode,
  },
  {
    type: 'IT_IDENTITY_CARD',
    lengths: [9],
    pattern: /^(?:[A-Z]{2}\d{5}[A-Z]{2}|[A-Z]{2}\d{7}|\d{7}[A-Z]{2})$/,
    cues: cue.identity,
  },
  { type: 'PASSPORT', lengths: [8, 9], pattern: /^[A-Z]{0,3}\d{6,9}$/, cues: cue.passport },
  {
    type: 'DRIVER_LICENSE',
    lengths: [6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    pattern: /^(?=.*\d{4})[A-Z]{0,3}\d+[A-Z]{0,2}\d*[A-Z]?$/,
    cues: cue.licence,
  },
];

/** The rules by number of letters and digits. */
export const rulesByLength: readonly (readonly IdentifierRule[])[] = Array.from(
  { length: 35 },
  (_, size) => identifierRules.filter((rule) => rule.lengths.includes(size)),
);
