// Redaction, words: what announces a value, and what says that a number is none. English, Spanish, French, German.
// In: nothing. Out: word lists that the lexicon reads, by cue.

/** What a word says about the value beside it. */
export type CueName = keyof typeof cueWords;

/** Words by what they announce. Folded: lower case, no accents. */
export const cueWords = {
  phone:
    'phone phones telephone cell cellphone mobile landline call callback ring reach fax whatsapp text dial tel telefono movil celular llamame llamar portable appeler rappeler joindre telefon telefonnummer handy handynummer rufnummer anrufen ruf desk office dialing contact',
  email: 'email emails mail correo courriel adresse mailadresse',
  card: 'card cards visa mastercard amex discover credit debit tarjeta carte karte kreditkarte kartennummer',
  cvv: 'cvv cvc cvv2 csc cid cryptogramme prufnummer pruefziffer prufziffer',
  expiry:
    'expiry expires expiring expiration expire exp expired thru vence vencimiento caducidad caduca expire gultig ablaufdatum gueltig',
  social: 'social ssn socials itin sozialversicherungsnummer',
  account:
    'account accounts acct acc a/c checking savings cuenta compte konto kontonummer iban depot',
  routing: 'routing aba sort bsb blz bankleitzahl transit swift',
  passport: 'passport passports pasaporte passeport reisepass pass passnummer travel pasaportes',
  licence:
    "licence license licenses driver driver's drivers licencia permis fuhrerschein fuhrerscheinnummer conducir patente dl",
  birth:
    'birth born birthday birthdate dob nacimiento naci nacio nacido nacida naissance ne nee geburtsdatum geburtstag geboren b-day',
  otp: 'otp passcode verification verify authentication authenticator pin pins 2fa otac onetime tan verificacion verifizierung bestatigungscode password passwort clave contrasena',
  code: 'code codes codigo kod',
  order:
    'order case ticket invoice file booking reservation confirmation pedido commande bestellung bestellnummer rechnung vorgangsnummer',
  reference:
    'member membership policy claim reference ref customer client subscriber loyalty referencia poliza kundennummer patient mrn',
  employee:
    'employee badge staff personnel worker empleado employe mitarbeiter personalnummer agent',
  plate:
    'plate registration reg vehicle vehicles matricula immatriculation kennzeichen number-plate plates',
  postcode: 'postcode zip zipcode postal cp plz postleitzahl postcodes',
  insurance:
    'insurance nino ni nhs medicare health medicaid beneficiary mbi kvnr krankenkasse krankenversicherung versichertennummer krankenversichertennummer',
  identity:
    'id identity identification national tax nin dni nie nif cif nas sin sin tfn abn acn pesel personnummer henkilotunnus hetu steuer idnr steuernummer personalausweis ausweis cedula rut cpf fiscale fiscal codice npi dea license provider identidad identite carta residency',
  last: 'last ending ends final ultimos ultimas terminada derniers letzten',
  number: 'number numbers no num nr nro numero numeros nummer digits nummern #',
  address:
    'address addresses street live lives living located location direccion vivo adresse habite wohne wohnhaft anschrift reside resides deliver ship mailing billing',
  name: 'name names named nombre llamo llama appelle nom heisse name apellido nachname vorname surname firstname lastname',
  wallet: 'wallet bitcoin btc ethereum eth crypto litecoin solana monero xmr usdt tether',
  device: 'mac ip ethernet hostname server',
} as const;

/** Words before a number that say it is no personal value: a place in a document, a thing, a choice. */
export const guardBefore: readonly string[] =
  'press version v ver extension ext room model section option page chapter floor gate flight platform step level line item part sku isbn ean upc serial batch build commit release revision rev lot figure table unit suite channel volume issue bug row column port error status http highway route interstate exit bus train track size article paragraph clause question apartment promo discount coupon hash checksum sha md5 uuid guid timestamp epoch tracking parcel package product barcode lane season episode windows iphone galaxy mark grade stage pulse weighs weigh ratio score total price cost amount paid costs balance quantity qty about around roughly nearly almost over approximately firmware asset catalog catalogue pagina capitulo seite kapitel zimmer chambre salle habitacion sala opcion presse druck taste version'.split(
    ' ',
  );

/** Words after a number that make it an amount, a time or a choice. */
export const guardAfter: readonly string[] =
  "dollars dollar bucks euros euro pounds pence cents percent per o'clock oclock am pm minutes minute mins seconds second hours hour days day weeks week months month years year times units unit people items item pieces percent degrees miles mile kilometers kilometres km meters metres feet foot inches kg kilos kilograms grams gram g lbs ounces mb gb tb megabytes gigabytes megs calls pages points votes steps usd eur gbp rpm volts watts hertz thousand million billion horas minutos dias semanas meses anos euros dolares heures minutes jours semaines mois ans stunden minuten tage wochen monate jahre prozent customers users subscribers copies shares followers views".split(
    ' ',
  );

/** Words that end a name, a local part or an address that is read from plain words. */
export const stopWords: readonly string[] =
  "a an the and or but if is are was were be been am i i'm you you're he she it it's its we they them me my your his her our their this that these those to of in on at by for with from as so not no yes yeah yep ok okay please can could would will shall should may might must do does did done have has had get got go going gone come call called want need know think say said see look let just now then than there here what who where when why how which because about into out up down over after before again also too very really right well good great sorry thanks thank hello hi hey bye speaking calling looking trying email address number account order card code phone dot underscore dash under send sent mail write spell spelled y el la los las un una es son de del que en por para con mi su se lo le les et le la les un une des du est sont que qui pour avec dans sur mon ma mes son sa und der die das ein eine ist sind mit von zu auf fur nicht".split(
    ' ',
  );

/** Single words after which a name may stand. */
export const introWords: readonly string[] =
  "i'm im soy under hi hello hey dear thanks attn hola bonjour hallo ms contact regards sincerely cheers with from for it's by ex to".split(
    ' ',
  );

/** Words that join the parts of an address said aloud. */
export const dotWords: readonly string[] = 'dot point punto punkt arobase arroba klammeraffe'.split(
  ' ',
);

/** Words that stand for the sign of an address said aloud. */
export const atWords: readonly string[] = ['at', 'arobase', 'arroba', 'klammeraffe'];
