// Redaction, words: how numbers, letters and hesitation are spoken in English, Spanish, French and German.
// In: nothing. Out: word lists that the lexicon reads.

/** Words of one digit, "value:word word". Words of several languages share a line. */
export const digitWords: readonly string[] = [
  '0:zero nought naught cero null zeros',
  '1:one uno una un une ein eins eine',
  '2:two dos deux zwei zwo',
  '3:three tres trois drei tree',
  '4:four cuatro quatre vier fower',
  '5:five cinco cinq funf fuenf fife',
  '6:six seis sechs',
  '7:seven siete sept sieben',
  '8:eight ocho huit acht',
  '9:nine nueve neuf neun niner',
];

/** Words that stand for a digit only between others: "five oh one", "two to four". */
export const innerDigitWords: readonly string[] = [
  '2:to too',
  '4:for',
  '8:ate',
  '1:won',
  '11:once',
];

/** "oh" and "o": a zero where a number follows or goes before. */
export const ohWords: readonly string[] = ['oh', 'o', 'ou', 'owe'];

/** Words of ten to nineteen. */
export const teenWords: readonly string[] = [
  '10:ten diez dix zehn',
  '11:eleven onze elf',
  '12:twelve doce douze zwolf zwoelf',
  '13:thirteen trece treize dreizehn',
  '14:fourteen catorce quatorze vierzehn',
  '15:fifteen quince quinze funfzehn fuenfzehn',
  '16:sixteen dieciseis seize sechzehn',
  '17:seventeen diecisiete siebzehn',
  '18:eighteen dieciocho achtzehn',
  '19:nineteen diecinueve neunzehn',
  '21:veintiuno veintiun',
  '22:veintidos',
  '23:veintitres',
  '24:veinticuatro',
  '25:veinticinco',
  '26:veintiseis',
  '27:veintisiete',
  '28:veintiocho',
  '29:veintinueve',
];

/** Words of the tens; a word of one digit after them joins. */
export const tensWords: readonly string[] = [
  '20:twenty veinte vingt zwanzig',
  '30:thirty treinta trente dreissig dreizig',
  '40:forty fourty cuarenta quarante vierzig',
  '50:fifty cincuenta cinquante funfzig fuenfzig',
  '60:sixty sesenta soixante sechzig',
  '70:seventy setenta septante siebzig',
  '80:eighty ochenta huitante octante achtzig',
  '90:ninety noventa nonante neunzig',
];

/** German compounds are one word: einundzwanzig. */
export const germanUnits: readonly string[] =
  'ein zwei drei vier funf sechs sieben acht neun'.split(' ');

/** "hundred": two zeros where digits are read out ("eight hundred"). */
export const hundredWords: readonly string[] = ['hundred', 'cien', 'ciento', 'hundert'];

/** Words of amounts, never of numbers that are read out. */
export const scaleWords: readonly string[] =
  'thousand million billion mil millon millones mille million millions tausend millionen'.split(
    ' ',
  );

/** "double five", "triple zero". */
export const repeatWords: readonly string[] = [
  '2:double doble doppel doppelt',
  '3:triple treble dreifach',
];

/** Said while thinking; may stand inside a number. */
export const fillerWords: readonly string[] =
  'uh um uhm er erm ah hmm mm hm eh euh ahm well okay ok so like please let me see then next now followed by comma bueno pues este alors donc also dann'.split(
    ' ',
  );

/** Joins that are said inside a number. */
export const bridgeWords: readonly string[] =
  'and of dash hyphen space slash minus period stroke y et und guion tiret bindestrich strich espacio espace leerzeichen punto punkt'.split(
    ' ',
  );

/** A speaker takes something back ("1:"), and the small words said around it: what was said before and what follows are both masked. */
export const repairWords: readonly string[] = [
  '1:no not wait sorry wrong mean actually scratch correction rather oops perdon non nein pardon attends moment falsch',
  "0:it's its that's thats i make it is was the last first digit one's hold on s that",
];

/** The spelling alphabet and other words that stand for their first letter. */
export const spellingWords: readonly string[] =
  'alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee zulu'.split(
    ' ',
  );
