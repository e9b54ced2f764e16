// Redaction, words: titles, streets, states, months, organisations and domains. In: nothing. Out: word lists.

/** Forms of address before a name. */
export const titleWords: readonly string[] =
  'mr mrs ms miss mister missus mx dr doctor prof professor sir madam maam senor senora senorita sr sra srta don dona monsieur madame mademoiselle mme mlle herr frau fraulein sergeant officer captain judge nurse reverend rabbi pastor'.split(
    ' ',
  );

/** Who somebody is to the speaker; a name may follow. */
export const relationWords: readonly string[] =
  'manager boss supervisor wife husband son daughter kid child brother sister mother father mom mum dad partner spouse fiance friend neighbor neighbour colleague roommate landlord lawyer attorney therapist dentist nurse uncle aunt cousin nephew niece grandma grandpa grandmother grandfather beneficiary guardian agent rep assistant esposa esposo marido hijo hija hermano hermana mari femme fils fille frere soeur mann sohn tochter bruder schwester chef'.split(
    ' ',
  );

/** Last words of a street, before which number and name stand. */
export const streetWords: readonly string[] =
  'street st avenue ave av road rd drive dr lane ln court ct place pl boulevard blvd way terrace ter circle cir trail trl parkway pkwy highway hwy square sq close crescent mews row gardens grove hill alley loop plaza quay walk rise view broadway run path pike turnpike crossing strasse str gasse weg allee platz'.split(
    ' ',
  );

/** First words of a street where the name follows. */
export const streetPrefixes: readonly string[] =
  'rue calle avenida avda via viale piazza corso paseo plaza camino carrera carretera chemin impasse allee quai rua boulevard avenue'.split(
    ' ',
  );

/** Parts of a building. */
export const unitWords: readonly string[] =
  'apartment apt suite ste unit flat floor fl building bldg room rm piso puerta appartement etage wohnung stock'.split(
    ' ',
  );

/** States of the US and provinces of Canada, with their short forms (written in capitals). */
export const stateWords: readonly string[] =
  'alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana nebraska nevada ohio oklahoma oregon pennsylvania tennessee texas utah vermont virginia washington wisconsin wyoming ontario quebec manitoba alberta saskatchewan'.split(
    ' ',
  );

/** Short forms of the states; words too, so only in capitals or inside an address. */
export const stateCodes: readonly string[] =
  'al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh ok or pa ri sc sd tn tx ut vt va wa wv wi wy dc on qc bc ab mb sk ns nb'.split(
    ' ',
  );

/** Months, "number:names". */
export const monthWords: readonly string[] = [
  '1:january jan enero janvier januar',
  '2:february feb febrero fevrier februar',
  '3:march mar marzo mars marz',
  '4:april apr abril avril',
  '5:may mayo mai',
  '6:june jun junio juin juni',
  '7:july jul julio juillet juli',
  '8:august aug agosto aout',
  '9:september sep sept septiembre septembre',
  '10:october oct octubre octobre oktober okt',
  '11:november nov noviembre novembre',
  '12:december dec diciembre decembre dezember dez',
];

/** Ordinals of days that are said as words. */
export const ordinalWords: readonly string[] = [
  '1:first premier erster ersten primero',
  '2:second zweiter zweiten',
  '3:third dritter dritten',
  '4:fourth',
  '5:fifth',
  '6:sixth',
  '7:seventh',
  '8:eighth',
  '9:ninth',
  '10:tenth',
  '11:eleventh',
  '12:twelfth',
  '13:thirteenth',
  '14:fourteenth',
  '15:fifteenth',
  '16:sixteenth',
  '17:seventeenth',
  '18:eighteenth',
  '19:nineteenth',
  '20:twentieth',
  '30:thirtieth',
];

/** Last words of the name of an organisation. */
export const organisationWords: readonly string[] =
  'inc llc ltd limited corp corporation gmbh ag plc llp company co bank union university college hospital clinic plumbing electric insurance foundation institute associates partners group holdings industries enterprises consulting solutions logistics dental pharmacy realty motors airlines bakery roofing church school academy society trust'.split(
    ' ',
  );

/** Domains of the top level that are said aloud or stand bare in texts. */
export const topLevelDomains: readonly string[] =
  'com org net edu gov mil int io co uk us ca au de fr es it nl be ch at se no dk fi pl pt ie in br mx jp cn ru eu info biz dev app ai me tv site online shop store tech cloud xyz il za nz ar cl gr cz hu ro tr kr sg hk id ph my th vn ua email live pro name mobi test example'.split(
    ' ',
  );
