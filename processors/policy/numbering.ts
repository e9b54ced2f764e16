// Policy: the tables of places. In: area codes with their zones and regions, countries with their zones. Out:
// lookups both ways. Area codes are from nanp-timezones.json, countries from the time zone database's zone.tab.

import { z } from 'zod';

const nanpFile = z.object({
  version: z.string(),
  stateZones: z.record(z.string(), z.array(z.string())),
  areaCodes: z.record(
    z.string().regex(/^[2-9]\d\d$/),
    z.object({ country: z.string(), regions: z.array(z.string()), zones: z.array(z.string()) }),
  ),
});
const countryFile = z.object({
  version: z.string(),
  areaZones: z.record(z.string(), z.record(z.string(), z.array(z.string()))),
  countries: z.record(z.string(), z.array(z.string())),
});

/** Where an area code's numbers were given out. */
export interface Area {
  readonly country: string;
  readonly regions: readonly string[];
  readonly zones: readonly string[];
}

/** A region and the clocks that are kept in it. */
export interface RegionZones {
  readonly region: string;
  readonly zones: readonly string[];
}

/** Lookups over the tables. */
export interface Numbering {
  readonly version: string;
  readonly areaCodes: ReadonlyMap<string, Area>;
  /** Every zone of a country; none for an unknown one. */
  zonesOf(country: string): readonly string[];
  /** The regions that rules may speak of, with their zones; none outside the US and Canada. */
  regionsOf(country: string): readonly RegionZones[];
  zonesOfRegion(country: string, region: string): readonly string[];
  countriesOfZone(zone: string): readonly string[];
  /** The name under which the tables know a clock (`US/Eastern` is `America/New_York`), else the name itself. */
  nameOf(zone: string): string;
  /** Zones by the first digit of a national number, where a country's areas have clocks of their own. */
  areaZones(country: string, national: string): readonly string[] | undefined;
}

/** Reads both tables; throws where one has not their shape. */
export function readNumbering(nanpJson: unknown, countryJson: unknown): Numbering {
  const nanp = nanpFile.parse(nanpJson);
  const world = countryFile.parse(countryJson);
  const areaCodes = new Map(Object.entries(nanp.areaCodes));
  const regions = regionTable(areaCodes, nanp.stateZones);
  const inZone = new Map<string, string[]>();
  for (const [country, zones] of Object.entries(world.countries)) {
    for (const zone of zones) inZone.set(zone, [...(inZone.get(zone) ?? []), country]);
  }
  const namesOf = aliasTable(inZone.keys());
  return {
    version: `${nanp.version}, ${world.version}`,
    areaCodes,
    zonesOf: (country) => world.countries[country] ?? [],
    regionsOf: (country) => regions.get(country) ?? [],
    zonesOfRegion: (country, region) =>
      regions.get(country)?.find((one) => one.region === region)?.zones ?? [],
    countriesOfZone: (zone) => inZone.get(zone) ?? [],
    nameOf: (zone) => (inZone.has(zone) ? zone : (namesOf(zone) ?? zone)),
    areaZones: (country, national) => world.areaZones[country]?.[national.slice(0, 1)],
  };
}

function regionTable(
  areaCodes: ReadonlyMap<string, Area>,
  stateZones: Readonly<Record<string, readonly string[]>>,
): ReadonlyMap<string, readonly RegionZones[]> {
  const zones = new Map<string, Map<string, Set<string>>>();
  for (const area of areaCodes.values()) {
    const country = zones.get(area.country) ?? new Map<string, Set<string>>();
    zones.set(area.country, country);
    for (const region of area.regions) {
      // An area code of several regions says of none which of its zones it keeps.
      const own = area.regions.length === 1 ? area.zones : [];
      const known = country.get(region) ?? new Set(stateZones[region] ?? []);
      country.set(region, new Set([...known, ...own]));
    }
  }
  const shared = [...areaCodes.values()].filter(({ regions }) => regions.length > 1);
  for (const { country, regions, zones: all } of shared) {
    for (const region of regions) {
      const known = zones.get(country)?.get(region);
      if (known?.size === 0) for (const zone of all) known.add(zone);
    }
  }
  return new Map(
    [...zones].map(([country, table]) => [
      country,
      [...table].map(([region, own]) => ({ region, zones: [...own] })),
    ]),
  );
}

/** Other names of the same clock (`US/Eastern`), resolved by the runtime when one is first asked for. */
function aliasTable(names: Iterable<string>): (zone: string) => string | undefined {
  const canonical = (zone: string): string =>
    new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
  let table: Map<string, string> | undefined;
  return (zone) => {
    table ??= new Map([...names].map((name) => [canonical(name), name]));
    return table.get(canonical(zone));
  };
}
