// Policy: whose number it is. In: a number as text. Out: its area code, its countries and their zones, or what is
// wrong with it. Numbers that exist in no plan are kept and judged as strictly as a number of unknown place.

import {
  getCountries,
  getCountryCallingCode,
  parsePhoneNumberFromString,
  type PhoneNumber,
} from 'libphonenumber-js/max';

import type { Numbering } from './numbering.js';

/** What a number says of its holder. */
export interface Recipient {
  readonly number: string;
  /** North American area code with a place; null elsewhere, and for freephone and other codes without one. */
  readonly areaCode: string | null;
  /** Countries it may be of; none for a number of no country. */
  readonly countries: readonly string[];
  /** Every zone it may be in; for an area code those of the code. */
  readonly zones: readonly string[];
  readonly line: 'mobile' | 'other';
  /** What is odd about it, in words. */
  readonly notes: readonly string[];
}

export type RecipientReading =
  | { readonly ok: true; readonly recipient: Recipient }
  | { readonly ok: false; readonly detail: string };

/** Countries of one calling code whose mobiles the plan cannot tell apart for certain. */
const together: Readonly<Record<string, readonly string[]>> = { 44: ['GB', 'GG', 'IM', 'JE'] };

/** The countries that share the North American plan and that a code without a place may reach. */
const northAmerica = ['US', 'CA'];

/** Reads a number; `mobile` where somebody knows that it is one, which no North American number says. */
export function readRecipient(
  number: string,
  mobile: boolean,
  numbering: Numbering,
): RecipientReading {
  if (!/^\+[1-9]\d{5,14}$/.test(number)) {
    const detail = 'not an E.164 number: + and 6 to 15 digits, without spaces';
    return { ok: false, detail };
  }
  if (number.startsWith('+1'))
    return { ok: true, recipient: northAmerican(number, mobile, numbering) };
  const parsed = parsePhoneNumberFromString(number);
  if (parsed === undefined) return { ok: false, detail: 'no country has this calling code' };
  return { ok: true, recipient: international(parsed, mobile, numbering) };
}

function northAmerican(number: string, mobile: boolean, numbering: Numbering): Recipient {
  const code = number.slice(2, 5);
  const isWhole = number.length === 12;
  const area = isWhole ? numbering.areaCodes.get(code) : undefined;
  const line = mobile ? 'mobile' : 'other';
  if (area !== undefined) {
    return {
      number,
      areaCode: code,
      countries: [area.country],
      zones: area.zones,
      line,
      notes: [],
    };
  }
  // Codes of the islands are not in the table; the plan's own metadata knows whose they are.
  const country = isWhole ? parsePhoneNumberFromString(number)?.country : undefined;
  const isIsland = country !== undefined && !northAmerica.includes(country);
  const countries = isIsland ? [country] : northAmerica;
  const zones = countries.flatMap((one) => numbering.zonesOf(one));
  const note = isWhole
    ? `area code ${code} has no place: it may be anywhere in the United States or Canada`
    : 'not a whole number of its plan: it is taken for one of unknown place';
  return { number, areaCode: null, countries, zones, line, notes: isIsland ? [] : [note] };
}

function international(parsed: PhoneNumber, mobile: boolean, numbering: Numbering): Recipient {
  const code = parsed.countryCallingCode;
  const own = parsed.country ?? mainCountryOf(code);
  const countries = together[code] ?? (own === undefined ? [] : [own]);
  const isMobile = mobile || parsed.getType() !== 'FIXED_LINE';
  const area =
    own === undefined || isMobile ? undefined : numbering.areaZones(own, parsed.nationalNumber);
  const notes = parsed.isPossible() ? [] : ['not a whole number of its plan'];
  return {
    ...{ number: parsed.number, areaCode: null, countries, notes },
    zones: area ?? countries.flatMap((country) => numbering.zonesOf(country)),
    line: isMobile ? 'mobile' : 'other',
  };
}

const mainCountries = new Map<string, string>();

/** The first country of a calling code: the library lists the main one of a shared code first by its number. */
function mainCountryOf(code: string): string | undefined {
  if (mainCountries.size === 0) {
    for (const country of getCountries()) {
      const calling = getCountryCallingCode(country);
      const isMain = parsePhoneNumberFromString(`+${calling}00000000`)?.country === country;
      if (isMain || !mainCountries.has(calling)) mainCountries.set(calling, country);
    }
  }
  return mainCountries.get(code);
}
