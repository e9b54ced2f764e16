// What a projection is: a read model with a name, a version and tables of its own, and a way from events
// to changes of its rows.

import type { Mark } from '../log/mark.js';
import type { Transaction } from '../runtime/postgres.js';
import type { EventEnvelope } from '../schemas/events.js';
import type { Schema, Table, TableChange } from './table.js';

interface ReadModel {
  /** Its name in `marks`. */
  readonly name: string;
  /** A new version starts from the log's beginning under its own mark. */
  readonly version: number;
  /** No two projections share a table. */
  readonly tables: readonly Table[];
}

/** A read model whose changes depend on the events alone. */
export interface PureProjection extends ReadModel {
  /** Pure; may run ahead of the commit of earlier events. */
  readonly reduce: (events: readonly EventEnvelope[]) => readonly TableChange[];
}

/** A read model whose changes depend on its own rows too. */
export interface FoldProjection extends ReadModel {
  /** One fold per partition and run; what it remembers is dropped with it. */
  readonly open: (partition: number, schema: Schema) => Fold;
}

/** Folds events on the rows of one partition. A batch is `load`, `apply`, then `committed` or `forget`. */
export interface Fold {
  /**
   * Reads the rows that the batch touches. Called in the transaction that holds the partition's mark
   * at the batch's begin, so that what it reads cannot move.
   */
  load(transaction: Transaction, events: readonly EventEnvelope[]): Promise<void>;
  /** The changes of the loaded batch; gives way to other work while it is at it. */
  apply(): Promise<readonly TableChange[]>;
  /** The transaction is committed: its rows may be remembered, and told to others with its marks. */
  committed(moved?: Moved): void;
  /** It is not, or nobody knows; somebody else may have written: nothing is remembered any more. */
  forget(): void;
}

/** From where to where a commit has moved the marks. */
export interface Moved {
  readonly before: Mark;
  readonly after: Mark;
}

export type Projection = PureProjection | FoldProjection;
