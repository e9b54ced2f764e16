// Redaction: check digits. In: letters and digits without separators, upper case. Out: whether they agree.

const digit = (text: string, index: number): number => text.charCodeAt(index) - 48;

/** Sum of digits times weights. */
function weighted(text: string, weights: readonly number[]): number {
  return weights.reduce((sum, weight, index) => sum + digit(text, index) * weight, 0);
}

/** Luhn (ISO/IEC 7812-1, annex B). */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = digits.length - 1, double = false; i >= 0; i--, double = !double) {
    const value = digit(digits, i) * (double ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
  }
  return sum % 10 === 0;
}

/** Remainder by 97 of letters (A = 10) and digits, as ISO 7064 reads them. */
export function mod97(text: string): number {
  let rest = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    rest = unit >= 65 ? (rest * 100 + unit - 55) % 97 : (rest * 10 + unit - 48) % 97;
  }
  return rest;
}

/** True when all characters are the same, as in 0000 0000: no number anybody has. */
export const isUniform = (text: string): boolean => /^(.)\1*$/.test(text);

/** American Bankers Association routing number: weights 3, 7, 1. */
export const aba = (text: string): boolean =>
  weighted(text, [3, 7, 1, 3, 7, 1, 3, 7, 1]) % 10 === 0 && !isUniform(text);

/** NHS number: modulus 11. */
export function nhs(text: string): boolean {
  const check = (11 - (weighted(text, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11)) % 11;
  return check === digit(text, 9) && !isUniform(text);
}

/** US national provider identifier: Luhn over the prefix 80840. */
export const npi = (text: string): boolean => luhn(`80840${text}`) && !isUniform(text.slice(0, 9));

/** Australian business number: first digit less one, modulus 89. */
export const abn = (text: string): boolean =>
  !text.startsWith('0') &&
  (weighted(text, [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) - 10) % 89 === 0;

/** Australian company number. */
export const acn = (text: string): boolean =>
  (10 - (weighted(text, [8, 7, 6, 5, 4, 3, 2, 1]) % 10)) % 10 === digit(text, 8) &&
  !isUniform(text);

/** Australian tax file number. */
export const tfn = (text: string): boolean =>
  weighted(text, [1, 4, 3, 7, 5, 8, 6, 9, 10]) % 11 === 0 && !isUniform(text);

/** Australian Medicare card. */
export const medicare = (text: string): boolean =>
  weighted(text, [1, 3, 7, 9, 1, 3, 7, 9]) % 10 === digit(text, 8);

/** ISO 7064 MOD 11,10 over all digits but the last (German tax id). */
export function mod1110(text: string): boolean {
  let product = 10;
  for (let i = 0; i < text.length - 1; i++) {
    let sum = (digit(text, i) + product) % 10;
    if (sum === 0) sum = 10;
    product = (sum * 2) % 11;
  }
  return (11 - product) % 10 === digit(text, text.length - 1);
}

/** Check digit of machine-readable documents: weights 7, 3, 1, A = 10 (ICAO 9303). */
export function icao(text: string): boolean {
  let sum = 0;
  for (let i = 0; i < text.length - 1; i++) {
    const unit = text.charCodeAt(i);
    sum += (unit >= 65 ? unit - 55 : unit - 48) * ([7, 3, 1][i % 3] ?? 0);
  }
  return sum % 10 === digit(text, text.length - 1);
}

/** Digit sum of products, as German health insurance and pension numbers use it. */
function crossSums(digits: string, weights: readonly number[]): number {
  return weights.reduce((sum, weight, index) => {
    const product = digit(digits, index) * weight;
    return sum + Math.floor(product / 10) + (product % 10);
  }, 0);
}

const letterNumber = (letter: string): string => String(letter.charCodeAt(0) - 64).padStart(2, '0');

/** German health insurance number: a letter, eight digits, check digit. */
export function kvnr(text: string): boolean {
  const digits = letterNumber(text.slice(0, 1)) + text.slice(1, 9);
  return crossSums(digits, [1, 2, 1, 2, 1, 2, 1, 2, 1, 2]) % 10 === digit(text, 9);
}

/** German pension insurance number: area, birth date, letter, serial, check digit. */
export function rvnr(text: string): boolean {
  const digits = text.slice(0, 8) + letterNumber(text.slice(8, 9)) + text.slice(9, 11);
  return crossSums(digits, [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1]) % 10 === digit(text, 11);
}

const nifLetters = 'TRWAGMYFPDXBNJZSQVHLCKE';

/** Spanish NIF: the letter is the number's remainder by 23. */
export const nif = (text: string): boolean =>
  nifLetters[Number(text.slice(0, -1)) % 23] === text.slice(-1);

/** Spanish NIE: X, Y, Z stand for 0, 1, 2. */
export const nie = (text: string): boolean =>
  nif(`${'XYZ'.indexOf(text.charAt(0))}${text.slice(1)}`);

/** Finnish personal identity code without its mark: remainder by 31. */
export const hetu = (text: string): boolean =>
  '0123456789ABCDEFHJKLMNPRSTUVWXY'[Number(text.slice(0, 6) + text.slice(-4, -1)) % 31] ===
  text.slice(-1);

/** Polish PESEL. */
export const pesel = (text: string): boolean =>
  (10 - (weighted(text, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10)) % 10 === digit(text, 10);

/** US Drug Enforcement Administration number: two letters, seven digits. */
export const dea = (text: string): boolean => {
  const d = (index: number): number => digit(text, index + 2);
  return (d(0) + d(2) + d(4) + 2 * (d(1) + d(3) + d(5))) % 10 === d(6);
};

const oddValues = [
  ...[1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23],
];

/** Italian fiscal code: odd and even places weigh differently. */
export function fiscalCode(text: string): boolean {
  let sum = 0;
  for (let i = 0; i < 15; i++) {
    const unit = text.charCodeAt(i);
    const value = unit >= 65 ? unit - 65 : unit - 48;
    sum += i % 2 === 0 ? (oddValues[value] ?? 0) : value;
  }
  return text.charCodeAt(15) - 65 === sum % 26;
}

/** True for a month and day that exist; `month` may carry an offset that the number's rules add. */
export function isDay(month: number, day: number): boolean {
  return month >= 1 && month <= 12 && day >= 1 && day <= ([2].includes(month) ? 29 : 31);
}
