// Policy: a question as somebody asks it. In: an object of unknown make. Out: a question in our own types, or the
// field that is wrong and what to give instead. A purpose that we do not know is taken as marketing, and said.

import { Temporal } from 'temporal-polyfill';

import { isRegionOf } from './holidays.js';
import type { Numbering } from './numbering.js';
import type { Stated } from './places.js';
import type { Contact } from './quiet-hours.js';
import { readRecipient, type Recipient } from './recipient.js';
import { zoneNamed } from './wall-time.js';

/** Whom, when, how and what for. */
export interface Question extends Contact {
  readonly recipient: Recipient;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly stated: Stated;
  /** What had to be assumed, in words. */
  readonly notes: readonly string[];
}

/** A question that cannot be judged; never holds the value itself. */
export interface QuestionFault {
  readonly field: string;
  readonly detail: string;
}

export type QuestionReading =
  { readonly ok: true; readonly question: Question } | ({ readonly ok: false } & QuestionFault);

/** Purposes in use, by what the rules know of them. */
const purposes: Readonly<Record<string, Contact['purpose']>> = {
  ...{ marketing: 'marketing', sales: 'marketing', promotional: 'marketing' },
  ...{ telemarketing: 'marketing', solicitation: 'marketing', advertising: 'marketing' },
  ...{ service: 'service', transactional: 'service', informational: 'service' },
  ...{ reminder: 'service', notification: 'service', support: 'service', account: 'service' },
  ...{ research: 'research', survey: 'research' },
};

type Part<T> = ({ readonly ok: true } & T) | ({ readonly ok: false } & QuestionFault);
type Fields = Readonly<Record<string, unknown>>;

const fault = (field: string, detail: string) => ({ ok: false, field, detail }) as const;

/** Reads a question; the first field that is wrong is told. */
export function readQuestion(input: unknown, numbering: Numbering): QuestionReading {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return fault('line', 'a question is a JSON object');
  }
  const fields = input as Fields;
  const to = readTo(fields, numbering);
  if (!to.ok) return to;
  const at = readAt(fields);
  if (!at.ok) return at;
  const contact = readContact(fields);
  if (!contact.ok) return contact;
  const stated = readStated(fields, to.recipient, numbering);
  if (!stated.ok) return stated;
  const { channel, purpose, automated, notes } = contact;
  return {
    ok: true,
    question: {
      ...{ channel, purpose, automated, at: at.at, recipient: to.recipient },
      ...{ stated: stated.stated, notes: [...to.recipient.notes, ...notes] },
    },
  };
}

function readTo(fields: Fields, numbering: Numbering): Part<{ readonly recipient: Recipient }> {
  const { to, line } = fields;
  if (typeof to !== 'string') return fault('to', 'missing: the number, e.g. +12125550100');
  if (line !== undefined && line !== 'mobile' && line !== 'fixed') {
    return fault('line', 'mobile, fixed, or left out');
  }
  const reading = readRecipient(to, line === 'mobile', numbering);
  return reading.ok ? reading : fault('to', reading.detail);
}

function readAt({ at }: Fields): Part<{ readonly at: number }> {
  const example = 'an instant with its offset, e.g. 2026-11-01T07:30:00Z';
  if (typeof at !== 'string') return fault('at', `missing: ${example}`);
  try {
    const { epochMilliseconds } = Temporal.Instant.from(at);
    const year = new Date(epochMilliseconds).getUTCFullYear();
    if (year < 1970 || year > 2199) return fault('at', 'outside the years 1970 to 2199');
    return { ok: true, at: epochMilliseconds };
  } catch {
    return fault('at', `not ${example}`);
  }
}

function readContact(fields: Fields): Part<Contact & { readonly notes: readonly string[] }> {
  const { channel, purpose, automated } = fields;
  if (channel !== 'sms' && channel !== 'voice') return fault('channel', 'sms or voice');
  if (typeof purpose !== 'string' || purpose === '') {
    return fault('purpose', 'missing: marketing, service or research');
  }
  if (automated !== undefined && typeof automated !== 'boolean') {
    return fault('automated', 'true, false, or left out');
  }
  const name = purpose.toLowerCase();
  const known = Object.hasOwn(purposes, name) ? purposes[name] : undefined;
  const notes = known === undefined ? ['this purpose is not known: judged as marketing'] : [];
  return {
    ...{ ok: true, channel, purpose: known ?? 'marketing', automated: automated ?? null, notes },
  };
}

function readStated(
  { zone, region }: Fields,
  recipient: Recipient,
  numbering: Numbering,
): Part<{ readonly stated: Stated }> {
  const named = isAbsent(zone) ? null : typeof zone === 'string' ? zoneNamed(zone) : undefined;
  if (named === undefined || (named === null && !isAbsent(zone))) {
    return fault('zone', 'no such time zone: a name of the IANA database, e.g. America/New_York');
  }
  const known = named === null ? null : numbering.nameOf(named);
  if (isAbsent(region)) return { ok: true, stated: { zone: known, region: null } };
  const found = typeof region === 'string' ? regionNamed(region, recipient, numbering) : null;
  if (found === null) {
    return fault('region', 'no such region: the code of ISO 3166-2, e.g. FL or US-FL');
  }
  return { ok: true, stated: { zone: known, region: found } };
}

const isAbsent = (value: unknown): boolean => value === undefined || value === null;

/** `US-FL`, or `FL` of one of the number's countries, else of the United States or Canada. */
function regionNamed(text: string, recipient: Recipient, numbering: Numbering): Stated['region'] {
  const [, prefix, region] = /^(?:([A-Z]{2})-)?([A-Z0-9]{1,3})$/.exec(text.toUpperCase()) ?? [];
  if (region === undefined) return null;
  const countries = prefix === undefined ? [...recipient.countries, 'US', 'CA'] : [prefix];
  const country = countries.find((one) => isRegion(one, region, numbering));
  return country === undefined ? null : { country, region };
}

/** Whether a region exists, by the tables of places or by those of holidays. */
export function isRegion(country: string, region: string, numbering: Numbering): boolean {
  const isListed = numbering.regionsOf(country).some((one) => one.region === region);
  return isListed || (numbering.zonesOf(country).length > 0 && isRegionOf(country, region));
}
