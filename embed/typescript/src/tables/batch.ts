/** Operations on keys and rows of any buckets and tables, in one commit. */

import type { Operation, OperationResult, Version, Written } from '../api.js';
import { invalid } from '../errors.js';
import type { Json } from '../plugins/api.js';
import type { FilterValue } from './api.js';
import { text } from './dialect.js';

/** One operation of a batch: on keys of `bucket` (`default` if none is named), or on rows of `table`. */
export type BatchOperation = KeyOperation | RowOperation;

export type KeyOperation = Operation & { bucket?: string; table?: never };

export type RowOperation = RowSelect | RowInsert | RowUpdate | RowDelete | RowCheck;

/** Which rows. */
interface Filtered {
  table: string;
  /**
   * Conditions of the dialect on the table's own columns, joined by `&`; `$1`, `$2`, .. stand for the arguments:
   * `name=eq.$1&total=gt.$2`. All rows without it.
   */
  filter?: string;
  /** At most 100. What an earlier operation made is a `Made`. */
  arguments?: readonly (FilterValue | Made)[];
  /** How many rows the filter must select, else the batch is refused; of a `select`: how many are shown. */
  matches?: number | { min?: number; max?: number };
}

export interface RowSelect extends Filtered {
  op: 'select';
  select?: string;
  order?: string;
  limit?: number;
  offset?: number;
}

export interface RowInsert {
  op: 'insert';
  table: string;
  /** What a row does not name is the column's default. */
  rows: Values | readonly Values[];
  /** Columns of all rows with values that earlier operations make. */
  from?: { [column: string]: Made };
  /** What becomes of rows that are there already: they get the values, or stay as they are. Without it they are an error. */
  onDuplicate?: 'merge' | 'ignore';
  /** The columns of the unique key on which rows may meet; the primary key by default. */
  onConflict?: readonly string[];
  /** Answers the rows that were written. */
  select?: string;
}

export interface RowUpdate extends Filtered {
  op: 'update';
  set?: Values;
  from?: { [column: string]: Made };
  /** The version that each row must have; there must be one at least. */
  ifVersion?: Version;
  select?: string;
}

export interface RowDelete extends Filtered {
  op: 'delete';
  ifVersion?: Version;
  select?: string;
}

/** Changes nothing; the batch is refused unless its conditions hold. */
export interface RowCheck extends Filtered {
  op: 'check';
  ifVersion?: Version;
}

type Values = { readonly [column: string]: unknown };

/** A column of the primary key of the one row that an earlier operation has written: an identity, say. */
export interface Made {
  /** The operation's index in the batch, from 0. */
  operation: number;
  column: string;
}

/** The result of one operation. */
export type BatchResult =
  | OperationResult
  | ({ op: 'select' } & RowsShown)
  | ({ op: 'insert'; inserted: number; updated: number } & RowsShown)
  | ({ op: 'update'; updated: number } & RowsShown)
  | ({ op: 'delete'; deleted: number } & RowsShown);

/** The rows that a `select` asks for; otherwise none. */
export interface RowsShown {
  rows: { [column: string]: Json }[];
  /** The same as the text of a JSON array, with all digits of their numbers. */
  json: string;
}

/** An operation whose condition did not hold: its index, from 0, and what was found. */
export type BatchRefusal =
  /** The version of the key; null where it is missing, or was written by the batch's own transaction. */
  | { index: number; version: Version | null }
  /**
   * How many rows the filter selects, and the version of the first that has another than the one expected, if there is such a row:
   * null where the batch's own transaction wrote it.
   */
  | { index: number; matched: number; version?: Version | null };

/** The outcome of a batch: all of it was done, or nothing was written. */
export type Batched =
  ({ committed: true; results: BatchResult[] } & Written) | { committed: false; refusals: BatchRefusal[] };

/** Whether an operation is on rows. */
export function isOfRows(operation: BatchOperation): operation is RowOperation {
  return operation.table !== undefined;
}

/** The text of an argument, null, or what an earlier operation makes. */
export function toArgument(value: FilterValue | Made): string | null | Made {
  return value === null || isMade(value) ? value : text(value);
}

function isMade(value: FilterValue | Made): value is Made {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.keys(value).sort().join() === 'column,operation';
}

/** The range of rows that a filter must select. */
export function toMatches(matches: Filtered['matches']): { min: number; max: number | undefined } | undefined {
  if (matches === undefined) return undefined;
  const { min = 0, max } = typeof matches === 'number' ? { min: matches, max: matches } : matches;
  for (const rows of [min, max ?? 0]) {
    if (!Number.isSafeInteger(rows) || rows < 0) {
      throw invalid('argument-invalid', 'a number of rows is a whole number');
    }
  }
  return { min, max };
}

/** The rows of an answer. */
export function toRows(json = '[]'): RowsShown {
  return { rows: JSON.parse(json) as RowsShown['rows'], json };
}

/** A refusal; `version` is undefined where nothing was found that has one. */
export function toRefusal(
  index: number,
  matched: number | undefined,
  version: Version | null | undefined,
): BatchRefusal {
  if (matched === undefined) return { index, version: version ?? null };
  return version === undefined ? { index, matched } : { index, matched, version };
}
