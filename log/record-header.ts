// The protocol header of a record: one line of text beside the value, readable when the value is
// not (design 3.4, Poison). Comes in: owner, numbers, coverage. Goes out: `1 e <owner> <epoch> …`.

import { TrunklineError } from '../runtime/errors.js';
import type { Coverage } from '../schemas/events.js';
import {
  epoch,
  eventId,
  offset,
  ownerId,
  seq,
  type Epoch,
  type EventId,
  type OwnerId,
  type Seq,
} from '../schemas/ids.js';

/** From here on the partition belongs to `owner`, if `term` is higher than every term before. */
export interface MarkerHeader {
  readonly kind: 'marker';
  readonly owner: OwnerId;
  /** From 1. */
  readonly term: number;
  readonly epoch: Epoch;
}

/** An event of the tenant in the record's key. */
export interface EventHeader {
  readonly kind: 'event';
  readonly owner: OwnerId;
  readonly epoch: Epoch;
  readonly seq: Seq;
  readonly eventId: EventId;
  readonly covered: Coverage;
}

/** Nothing happened, but inputs were used up: inputs without outputs are covered too (rule 8). */
export interface CheckpointHeader {
  readonly kind: 'checkpoint';
  readonly owner: OwnerId;
  readonly epoch: Epoch;
  readonly covered: Coverage;
}

/** A record of a source topic; the tenant is the key, everything else is in the value. */
export interface FactHeader {
  readonly kind: 'fact';
}

/** A record of `dead-letters`: a parked fact after the event with this number of its tenant. */
export interface LetterHeader {
  readonly kind: 'letter';
  readonly seq: Seq;
  readonly letterId: EventId;
}

/** What may stand on a partition of `events`. */
export type OwnedHeader = MarkerHeader | EventHeader | CheckpointHeader;
export type RecordHeader = OwnedHeader | FactHeader | LetterHeader;

/** Name of the header where a driver needs one (Kafka). */
export const headerName = 't';
/** Key of markers and checkpoints: they belong to no tenant. */
export const noTenant = '';

const version = '1';

/** The header as text. Names must not hold spaces: they are ids of our own making. */
export function formatHeader(header: RecordHeader): string {
  const text = fieldsOf(header).join(' ');
  if (text.split(' ').length !== fieldCount[header.kind]) {
    throw new TrunklineError('record_invalid', `a name of a ${header.kind} header holds a space`);
  }
  return text;
}

function fieldsOf(header: RecordHeader): readonly (string | number)[] {
  switch (header.kind) {
    case 'marker':
      return [version, 'm', header.owner, header.term, header.epoch];
    case 'event': {
      const { owner, epoch, seq, eventId, covered } = header;
      return [version, 'e', owner, epoch, covered.realtime, covered.bulk, seq, eventId];
    }
    case 'checkpoint': {
      const { owner, epoch, covered } = header;
      return [version, 'c', owner, epoch, covered.realtime, covered.bulk];
    }
    case 'fact':
      return [version, 'f'];
    case 'letter':
      return [version, 'l', header.seq, header.letterId];
  }
}

const fieldCount = { marker: 5, event: 8, checkpoint: 6, fact: 2, letter: 4 } as const;

/**
 * Reads a header. One that cannot be read is a `record_invalid` error: whoever reads the log stops
 * there, because skipping it could skip an event or an owner.
 */
export function parseHeader(text: string): RecordHeader {
  const fields = text.split(' ');
  const header = fields[0] === version ? readFields(fields) : null;
  if (header === null) {
    throw new TrunklineError('record_invalid', `not a record header of version ${version}`);
  }
  return header;
}

/** Reads the header of a record of `events`; a fact has no place there. */
export function parseOwnedHeader(text: string): OwnedHeader {
  const header = parseHeader(text);
  if (header.kind === 'fact' || header.kind === 'letter') {
    throw new TrunklineError('record_invalid', `a ${header.kind} stands among the events`);
  }
  return header;
}

function readFields(fields: readonly string[]): RecordHeader | null {
  const [, letter = '', owner = '', third = '', fourth = '', fifth = '', sixth = '', seventh = ''] =
    fields;
  const has = (kind: RecordHeader['kind']): boolean =>
    fields.length === fieldCount[kind] && !fields.includes('');
  switch (letter) {
    case 'm': {
      const term = readInteger(third, 1);
      if (!has('marker') || term === null) return null;
      return { kind: 'marker', owner: ownerId(owner), term, epoch: epoch(fourth) };
    }
    case 'e': {
      const covered = readCoverage(fourth, fifth);
      const number = readInteger(sixth, 1);
      if (!has('event') || covered === null || number === null) return null;
      return {
        kind: 'event',
        owner: ownerId(owner),
        epoch: epoch(third),
        seq: seq(number),
        eventId: eventId(seventh),
        covered,
      };
    }
    case 'c': {
      const covered = readCoverage(fourth, fifth);
      if (!has('checkpoint') || covered === null) return null;
      return { kind: 'checkpoint', owner: ownerId(owner), epoch: epoch(third), covered };
    }
    case 'f':
      return has('fact') ? { kind: 'fact' } : null;
    case 'l': {
      const number = readInteger(owner, 1);
      if (!has('letter') || number === null) return null;
      return { kind: 'letter', seq: seq(number), letterId: eventId(third) };
    }
    default:
      return null;
  }
}

function readCoverage(realtime: string, bulk: string): Coverage | null {
  const first = readInteger(realtime, -1);
  const second = readInteger(bulk, -1);
  if (first === null || second === null) return null;
  return { realtime: offset(first), bulk: offset(second) };
}

/** Canonical decimal only, so that parse and format are each other's inverse. */
function readInteger(text: string, least: number): number | null {
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= least && String(value) === text ? value : null;
}
