// Policy: where a recipient may be. In: a number, a stated zone and region. Out: every place the contact may
// reach, with the reason; all of them must allow it. The number's prefix below the area code is never asked.

import type { Numbering } from './numbering.js';
import type { Recipient } from './recipient.js';

/** Where the recipient may be: its clock and whose rules bind there. */
export interface Place {
  readonly zone: string;
  readonly country: string | null;
  readonly region: string | null;
}

/** Why a zone is looked at. */
export type ZoneSource =
  | 'stated zone'
  | 'stated region'
  | 'area code'
  | 'country of the number'
  | 'every zone of the numbering plan';

/** What is known of the recipient's whereabouts. */
export interface Whereabouts {
  readonly places: readonly Place[];
  readonly zones: readonly { readonly zone: string; readonly source: ZoneSource }[];
  /** What had to be assumed, in words. */
  readonly notes: readonly string[];
}

/** What somebody said beside the number; both checked already. */
export interface Stated {
  readonly zone: string | null;
  readonly region: { readonly country: string; readonly region: string } | null;
}

type ByZone = readonly { readonly zone: string; readonly source: ZoneSource }[];

/** Every place; none where the number belongs to no country and no zone is stated. */
export function whereaboutsOf(
  recipient: Recipient,
  stated: Stated,
  numbering: Numbering,
): Whereabouts {
  const areaCode = recipient.areaCode;
  if (areaCode !== null) return ofAreaCode(areaCode, recipient, stated, numbering);
  if (recipient.countries.length === 0) return ofNowhere(stated, numbering);
  return ofCountries(recipient, stated, numbering);
}

/** The area code's own zones and what is stated: union of the zones, union of the regions. */
function ofAreaCode(
  code: string,
  recipient: Recipient,
  stated: Stated,
  numbering: Numbering,
): Whereabouts {
  const area = numbering.areaCodes.get(code);
  if (area === undefined) return ofCountries(recipient, stated, numbering);
  const notes: string[] = [];
  const isMobile = recipient.line === 'mobile' && stated.zone === null && stated.region === null;
  const zones: { zone: string; source: ZoneSource }[] = isMobile
    ? numbering.zonesOf(area.country).map((zone) => ({ zone, source: 'country of the number' }))
    : [];
  if (isMobile) notes.push('a mobile without an address may be in any zone of its country');
  zones.push(...area.zones.map((zone) => ({ zone, source: 'area code' as const })));
  const regions = area.regions.map((region) => ({ country: area.country, region }));
  if (area.zones.length > 1)
    notes.push(`area code ${code} has ${area.zones.length} zones: all count`);
  const all = withStated(zones, stated, numbering, regions);
  return cross(all, [...regions, ...statedRegions(stated, regions, numbering)], notes);
}

/** A number whose country alone is known: a stated place in that country is more than the number says. */
function ofCountries(recipient: Recipient, stated: Stated, numbering: Numbering): Whereabouts {
  const { countries } = recipient;
  const source =
    countries.length > 1 ? 'every zone of the numbering plan' : 'country of the number';
  const own: ByZone = recipient.zones.map((zone) => ({ zone, source }));
  const said = statedZones(stated, numbering);
  const regions = statedRegions(stated, [], numbering);
  const isInside =
    said.length > 0 && said.every(({ zone }) => isZoneOf(zone, countries, numbering));
  if (isInside) return cross(said, regions, []);
  const isRegionInside = stated.region !== null && countries.includes(stated.region.country);
  if (said.length === 0 && isRegionInside) return cross(own, regions, manyZones(own));
  const unstated = pairs(own, countries, numbering);
  if (said.length === 0 && regions.length === 0) return unstated;
  const wide = countries.map((country) => ({ country, region: null }));
  const both = cross(
    [...said, ...own],
    [...regions, ...wide],
    ['what is stated and the number disagree: both count'],
  );
  return { ...both, places: [...both.places, ...unstated.places] };
}

const manyZones = (zones: ByZone): string[] =>
  zones.length > 1 ? [`the number may be in any of ${zones.length} zones: all count`] : [];

/** A number of no country (freephone, satellite): only what is stated says where. */
function ofNowhere(stated: Stated, numbering: Numbering): Whereabouts {
  const notes = ['the number belongs to no country'];
  const zones = statedZones(stated, numbering);
  return cross(zones, statedRegions(stated, [], numbering), notes);
}

interface Region {
  readonly country: string;
  readonly region: string | null;
}

const isZoneOf = (zone: string, countries: readonly string[], numbering: Numbering): boolean =>
  countries.some((country) => numbering.zonesOf(country).includes(zone));

/** The zones of what is stated; a region counts by its zones only where no zone is stated. */
function statedZones({ zone, region }: Stated, numbering: Numbering): ByZone {
  if (zone !== null) return [{ zone, source: 'stated zone' }];
  if (region === null) return [];
  const zones = numbering.zonesOfRegion(region.country, region.region);
  return zones.map((one) => ({ zone: one, source: 'stated region' }));
}

function withStated(
  zones: ByZone,
  stated: Stated,
  numbering: Numbering,
  regions: readonly Region[],
): ByZone {
  const isOwnRegion =
    stated.zone === null && regions.some((one) => one.region === stated.region?.region);
  const said = isOwnRegion ? [] : statedZones(stated, numbering);
  const known = new Set(zones.map(({ zone }) => zone));
  // A region elsewhere whose clock the area code shares adds no zone of its own.
  const isShared = stated.zone === null && said.some(({ zone }) => known.has(zone));
  return isShared ? zones : [...said, ...zones];
}

/** The stated region; or, where nothing says the region, every region on the stated clock. */
function statedRegions(
  { zone, region }: Stated,
  regions: readonly Region[],
  numbering: Numbering,
): readonly Region[] {
  if (region !== null) return [region];
  if (zone === null) return [];
  const there = numbering.countriesOfZone(zone);
  if (regions.length > 0) {
    const elsewhere = there.filter((country) => !regions.some((one) => one.country === country));
    return elsewhere.map((country) => ({ country, region: null }));
  }
  return there.flatMap((country): Region[] => {
    const inZone = numbering.regionsOf(country).filter(({ zones }) => zones.includes(zone));
    return inZone.length === 0
      ? [{ country, region: null }]
      : inZone.map((one) => ({ country, region: one.region }));
  });
}

/** Every zone under the rules of every region: what is known of one person. */
function cross(zones: ByZone, regions: readonly Region[], notes: readonly string[]): Whereabouts {
  const unique = uniqueZones(zones);
  const whose = regions.length === 0 ? [{ country: null, region: null }] : regions;
  const places = unique.flatMap(({ zone }) => whose.map((region) => ({ zone, ...region })));
  return { places, zones: unique, notes };
}

/** Each region on its own clocks alone: of a number that may be anywhere in its countries. */
function pairs(zones: ByZone, countries: readonly string[], numbering: Numbering): Whereabouts {
  const unique = uniqueZones(zones);
  const wanted = new Set(unique.map(({ zone }) => zone));
  const places = countries.flatMap((country): Place[] => {
    const own = numbering.zonesOf(country).filter((zone) => wanted.has(zone));
    const regions = numbering
      .regionsOf(country)
      .flatMap(({ region, zones: clocks }) =>
        clocks.filter((zone) => wanted.has(zone)).map((zone) => ({ zone, country, region })),
      );
    return [...own.map((zone) => ({ zone, country, region: null })), ...regions];
  });
  const hasRegions = places.some(({ region }) => region !== null);
  const notes = hasRegions ? ['the region is not known: the rules of each one count'] : [];
  return { places, zones: unique, notes: [...manyZones(unique), ...notes] };
}

function uniqueZones(zones: ByZone): ByZone {
  const seen = new Set<string>();
  return zones.filter(({ zone }) => !seen.has(zone) && seen.add(zone));
}
