// Sealed parts on their way into rows: the bytes of the event, never opened here.

import type { Party, Sealed } from '../schemas/sealed.js';

/** A party as its columns hold it: JSON in a fixed order of keys, and the subject it is found by. */
export function partyCells(party: Party | null): readonly [string | null, string | null] {
  if (party === null) return [null, null];
  const { subjectId, masked, number } = party;
  return [
    `{"subjectId":${JSON.stringify(subjectId)},"masked":${JSON.stringify(masked)},"number":${sealedText(number)}}`,
    subjectId,
  ];
}

/** A sealed field as its column holds it. */
export function sealedText(sealed: Sealed): string {
  const { keyId, nonce, ciphertext, tag } = sealed;
  return JSON.stringify({ keyId, nonce, ciphertext, tag });
}

/** Sealed fields by name as their column holds them, in the order of the event. */
export const sealedTexts = (fields: Readonly<Record<string, Sealed>>): string =>
  `{${Object.entries(fields)
    .map(([name, sealed]) => `${JSON.stringify(name)}:${sealedText(sealed)}`)
    .join(',')}}`;
