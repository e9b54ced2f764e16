// Policy: the shape of a rule file. In: JSON of unknown make. Out: rules with their hours as minutes of the
// day. Whether they make sense together is judged in rule-faults.ts, what they mean in quiet-hours.ts.

import { z } from 'zod';

/** The days of a week as rules name them, Monday first. */
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** `[from, to)` in minutes of a local day; 24:00 is 1440. */
export type Interval = readonly [from: number, to: number];

const clock = z
  .string()
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'a time of day is HH:MM, 00:00 to 24:00')
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)));
const intervals = z.array(z.tuple([clock, clock]).readonly()).readonly();
const date = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'a date is YYYY-MM-DD')
  .refine((text) => isDate(text), 'no such date')
  .transform((text) => Date.parse(text) / 86_400_000);
/** `2026-02-30` is read as a day of March: a date is one that comes back as it was given. */
function isDate(text: string): boolean {
  const at = Date.parse(text);
  return Number.isFinite(at) && new Date(at).toISOString().startsWith(text);
}
const perDay = z.strictObject(
  Object.fromEntries(weekdays.map((day) => [day, intervals])) as Record<
    (typeof weekdays)[number],
    typeof intervals
  >,
);

/** How far a rule can be relied on; from strong to weak. */
export const confidences = [
  'house rule',
  'statute',
  'regulator',
  'law-firm summary',
  'industry code',
  'secondary',
  'historical',
  'UNCONFIRMED',
] as const;

const rule = z
  .strictObject({
    id: z.string().regex(/^[A-Z0-9][A-Z0-9-]{1,39}$/, 'an id is capitals, digits and hyphens'),
    version: z.int().positive(),
    /** ISO 3166-1; null applies everywhere. */
    country: z.string().nullable(),
    /** The part of ISO 3166-2 after the hyphen; null is the whole country. */
    region: z.string().nullable(),
    channels: z.array(z.enum(['voice', 'sms', 'fax'])).min(1),
    purposes: z.array(z.enum(['marketing', 'service', 'research'])).min(1),
    /** Binds calls that a device places or speaks; a call of which this is not known counts as one. */
    automatedOnly: z.boolean().optional(),
    scope: z.string(),
    /** Zones whose clock the rule means, whatever the recipient's. */
    zones: z.array(z.string()).min(1).optional(),
    locate: z.string(),
    allowed: perDay,
    holidays: z
      .strictObject({
        allowed: intervals,
        /** Country, or country and region, as `date-holidays` names them. */
        calendar: z.string(),
        text: z.string().optional(),
        /** Days that the library does not hold, in its grammar. */
        more: z.array(z.strictObject({ rule: z.string(), name: z.string() })).optional(),
        /** The weekday whose hours bind on the day before a holiday. */
        eve: z.enum(weekdays).optional(),
      })
      .optional(),
    /** First local day in force: of all channels (`from`) or of one. */
    effective: z
      .strictObject({ from: date, voice: date, sms: date, fax: date })
      .partial()
      .optional(),
    /** Last local day in force. */
    ends: date.optional(),
    attemptCap: z
      .strictObject({
        max: z.int().positive(),
        windowHours: z.int().positive(),
        subject: z.string(),
        pauseDaysAfterRefusal: z.int().positive().optional(),
      })
      .optional(),
    /** First day from which nobody may be contacted without prior consent. */
    consentFrom: date.optional(),
    areaCodePresumption: z.string().optional(),
    exemptions: z.array(z.string()).optional(),
    confidence: z.enum(confidences),
    confidenceText: z.string().optional(),
    enabled: z.boolean(),
    citation: z.string(),
    sources: z.array(z.string()),
    notes: z.string().optional(),
  })
  .readonly();

/** One rule, read. Days are counted from 1970-01-01. */
export type Rule = z.infer<typeof rule>;

/** The shape of a rule file as a whole. */
export const ruleFile = z.strictObject({
  /** Names the whole set; recorded with every verdict. */
  version: z.string().min(1),
  notLegalAdvice: z.literal(true),
  rules: z.array(rule).min(1),
});

/** A set of rules under one version, read. */
export type RuleFile = z.infer<typeof ruleFile>;
