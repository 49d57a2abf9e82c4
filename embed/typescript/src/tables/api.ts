/** The interface of tables, in the page and on a server. */

import type { ChangeFeed, Cursor, FeedOptions, Version, Written } from '../api.js';
import type { Json } from '../plugins/api.js';

/** The types of one table's rows: as they are read, inserted and updated. */
export interface TableTypes {
  Row: object;
  Insert: object;
  Update: object;
}

/** The types of a database's tables: `Database`, as `GET /api/v1/schema/types.ts` and `mantisdb table types` write it. */
export interface DatabaseTypes {
  public: { Tables: { [table: string]: TableTypes } };
}

/** A table of which no types are known. */
export interface AnyTable extends TableTypes {
  Row: { [column: string]: Json };
  Insert: { [column: string]: unknown };
  Update: { [column: string]: unknown };
}

/** A database of which no types are known. */
export interface AnyDatabase extends DatabaseTypes {
  public: { Tables: { [table: string]: AnyTable } };
}

/** The name of a table. */
export type TableName<D extends DatabaseTypes> = keyof D['public']['Tables'] & string;

type Operator =
  | 'eq'
  | 'neq'
  | 'gt'
  | 'gte'
  | 'lt'
  | 'lte'
  | 'like'
  | 'ilike'
  | 'match'
  | 'imatch'
  | 'in'
  | 'is'
  | 'isdistinct'
  | 'cs'
  | 'cd'
  | 'ov';

/** An operator of the dialect, with `not.` before it, and with `(any)` or `(all)` for a list of values. */
export type FilterOperator =
  Operator | `not.${Operator}` | `${Operator}(${'any' | 'all'})` | `not.${Operator}(${'any' | 'all'})`;

/**
 * A value to compare with. It is written as its column's type reads it: an array as an array, for `in`, `(any)` and `(all)` as the
 * list; bytes and dates as such; any other object as JSON. `null` only with `is`.
 */
export type FilterValue =
  string | number | bigint | boolean | null | Date | Uint8Array | readonly FilterValue[] | { [name: string]: unknown };

/** A column; also a path into its JSON (`address->>city`) or a column of an embedded table (`client.name`). */
export type ColumnOf<T extends TableTypes> = (keyof T['Row'] & string) | `${string}${'->' | '.' | '"'}${string}`;

/** What must hold of a row: a comparison, or several of which any or all hold, or one that does not hold. */
export type Condition<T extends TableTypes = AnyTable> =
  | readonly [column: ColumnOf<T>, operator: FilterOperator, value: FilterValue]
  | { any: readonly Condition<T>[] }
  | { all: readonly Condition<T>[] }
  | { not: Condition<T> };

export interface OrderOptions {
  descending?: boolean;
  /** Last by default, and first where descending. */
  nulls?: 'first' | 'last';
}

/** The rows that a write is to return: all columns of them (`true`), or a select. */
export interface WriteOptions {
  returning?: boolean | string;
}

/** A row that was read by its key. */
export interface RowFound<R> {
  row: R;
  /** The same as JSON, with all digits of its numbers. */
  json: string;
  /** The commit that last wrote it. */
  version: Version;
}

/** Options of a write of one row. */
export interface RowWriteOptions extends WriteOptions {
  /** The version that the row must have; otherwise the write is refused (`precondition-failed`), and nothing is written. */
  ifVersion?: Version;
}

/** The value of a primary key; of one with several columns their values, in its order. */
export type RowKey = KeyPart | readonly KeyPart[];
type KeyPart = string | number | bigint | boolean | Date | Uint8Array;

export interface UpsertOptions<T extends TableTypes> extends WriteOptions {
  /** The columns of the unique key on which rows may meet; the primary key by default. */
  onConflict?: (keyof T['Row'] & string)[];
  /** Leaves rows that are there as they are; by default they get the values given. */
  ignoreDuplicates?: boolean;
}

/** The outcome of a write of rows. */
export interface RowsWritten<R> extends Written {
  /** How many rows were written. Rows that were left as they are do not count. */
  count: number;
  /** Those rows, if they were asked for; otherwise none. */
  rows: R[];
  /** The same as the text of a JSON array, with all digits of their numbers. */
  json: string;
}

/**
 * Rows of a table: all, or those that `where` leaves, in an order. Each method that narrows returns another query and changes nothing;
 * nothing is read before one of those that return a promise. Rows of a query without an order come in any order.
 *
 * Rows are JSON as a server answers it. Numbers beyond 2^53 lose digits there: select `id::text`, or take `json()`.
 */
export interface Query<T extends TableTypes, R = T['Row']> {
  /** Only these columns. */
  select<C extends keyof T['Row'] & string>(...columns: [C, ...C[]]): Query<T, Pick<T['Row'], C>>;
  /** What the dialect's text says: `id,total::text,client(name)`. */
  select<S = { [column: string]: Json }>(text: string): Query<T, S>;
  where(column: ColumnOf<T>, operator: FilterOperator, value: FilterValue): Query<T, R>;
  where(condition: Condition<T>): Query<T, R>;
  /** Orders rows; rows that are equal in what was said before, where it is called again. */
  order(column: ColumnOf<T>, options?: OrderOptions): Query<T, R>;
  limit(rows: number): Query<T, R>;
  offset(rows: number): Query<T, R>;
  /** The rows from `first` to `last`, both of them included, from 0. */
  range(first: number, last: number): Query<T, R>;
  /** Any parameter of the dialect, as it is: `('client.order', 'name.desc')`. */
  parameter(name: string, value: string): Query<T, R>;
  rows(): Promise<R[]>;
  /** The rows, and how many there are without limit and offset. */
  page(): Promise<{ rows: R[]; total: number }>;
  /** The only row; null where there is none. Rejects with `PGRST116` where there are several. */
  row(): Promise<R | null>;
  /** The rows as the text of a JSON array, with all digits of their numbers. */
  json(): Promise<string>;
  /** How many rows there are, within limit and offset. */
  count(): Promise<number>;
  /** How the rows would be found, as PostgreSQL's `EXPLAIN` says it. */
  explain(): Promise<string>;
  /**
   * The changes of rows that the filters select before the change or after it, shown as `select` says, and those of the table's
   * definition. An order, a limit, other tables and aggregates are refused (PGRST127).
   */
  changes(options?: FeedOptions): ChangeFeed<TableEvent<R>>;
  /** Gives these rows the values. A query without `where` is refused (21000). */
  update<S = R>(values: T['Update'], options?: WriteOptions): Promise<RowsWritten<S>>;
  /** Deletes these rows. A query without `where` is refused (21000). */
  delete<S = R>(options?: WriteOptions): Promise<RowsWritten<S>>;
}

/** One table. Outside a transaction each call is atomic by itself, and is repeated after a conflict. */
export interface Table<T extends TableTypes = AnyTable> extends Query<T> {
  readonly name: string;
  /** Inserts rows, all or none. What a row does not name is the column's default. */
  insert<S = T['Row']>(rows: T['Insert'] | readonly T['Insert'][], options?: WriteOptions): Promise<RowsWritten<S>>;
  /** Inserts rows, or gives those that are there already the values, all or none. */
  upsert<S = T['Row']>(rows: T['Insert'] | readonly T['Insert'][], options?: UpsertOptions<T>): Promise<RowsWritten<S>>;
  /** The row of a primary key, with its version; null if there is none. `select` is the dialect's text. */
  get<S = T['Row']>(key: RowKey, select?: string): Promise<RowFound<S> | null>;
  /** Gives the row of a primary key the values. It is no error if there is none: then `count` is 0. */
  updateRow<S = T['Row']>(key: RowKey, values: T['Update'], options?: RowWriteOptions): Promise<RowsWritten<S>>;
  /** Deletes the row of a primary key. It is no error if there is none. */
  deleteRow<S = T['Row']>(key: RowKey, options?: RowWriteOptions): Promise<RowsWritten<S>>;
  /** Gives each row that is named by its primary key the values beside it, in one commit. */
  updateMany<S = T['Row']>(rows: readonly T['Update'][], options?: WriteOptions): Promise<RowsWritten<S>>;
}

/** What the feed of a table shows. */
export type TableEvent<R = { [column: string]: Json }> = RowChange<R> | TableDefined;

/** A row that a commit changed. An update of its primary key is a `delete` and an `insert` of one version. */
export interface RowChange<R> extends EventPlace {
  kind: 'insert' | 'update' | 'delete';
  /** The primary key; null where the table has none. */
  key: { [column: string]: Json } | null;
  /** The row after the change; null where it is gone. */
  row: R | null;
  /** The row before it, of a table with `changes: 'full'`; otherwise null. */
  old: R | null;
  /** The same three as JSON, with all digits of their numbers. */
  json: { key: string | null; row: string | null; old: string | null };
  /** Which of the two the filters select; null where that is not known, because the table keeps no old rows. */
  matches: { old: boolean | null; new: boolean };
}

/** A change of the table's definition. A dropped table has no `delete` for each row. */
export interface TableDefined extends EventPlace {
  kind: 'create' | 'alter' | 'drop';
  /** The definition; null where the table is gone. */
  schema: TableDefinition | null;
}

/** What every change of a table has. */
export interface EventPlace {
  table: string;
  /** The number of the definition by which it is shown: that of its time. */
  schemaVersion: number;
  version: Version;
  /** The commit that wrote what was there before; null if there was nothing. */
  previousVersion: Version | null;
  /** The time of the commit, in milliseconds since the epoch. */
  timeMs: number;
  /** The cursor after this change. */
  cursor: Cursor;
}

/** The type of a column: `integer`, `varchar(20)`, `text[]`. */
export type TypeName = string;

/** A default: a literal, or a function's result. */
export type ColumnDefault = string | number | boolean | Json[] | { function: 'now' | 'uuid' | 'uuidv7' };

export interface ColumnDefinition {
  name: string;
  type: TypeName;
  nullable?: boolean;
  default?: ColumnDefault;
  identity?: boolean;
  enum?: string[];
  /** A filter that must not be false: `gt.0`. */
  check?: string;
  comment?: string;
}

export interface IndexDefinition {
  /** Columns, also JSON paths (`data->>city`). */
  columns: (string | { column: string; descending?: boolean })[];
  unique?: boolean;
  /** Only rows that it holds of are in the index. */
  filter?: string;
  name?: string;
}

export type ForeignKeyAction = 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';

export interface ForeignKeyDefinition {
  columns: string[];
  references: { table: string; columns?: string[] };
  on_delete?: ForeignKeyAction;
  on_update?: ForeignKeyAction;
  name?: string;
}

/** What a table is; the reference of tables has all of it. */
export interface TableDefinition {
  /** In answers. */
  name?: string;
  columns: ColumnDefinition[];
  primary_key?: string[] | { name?: string; columns: string[] };
  unique?: (string[] | { name?: string; columns: string[] })[];
  indexes?: IndexDefinition[];
  foreign_keys?: ForeignKeyDefinition[];
  checks?: { check: string; name?: string }[];
  comment?: string;
  changes?: 'new' | 'full';
}

/** Changes of a definition: all of them or none. */
export interface TableChange {
  add_columns?: ColumnDefinition[];
  drop_columns?: string[];
  rename_columns?: { [from: string]: string };
  alter_columns?: (Partial<Omit<ColumnDefinition, 'default' | 'comment' | 'enum'>> & {
    name: string;
    default?: ColumnDefault | null;
    comment?: string | null;
    enum?: string[] | null;
  })[];
  add_primary_key?: NonNullable<TableDefinition['primary_key']>;
  add_unique?: NonNullable<TableDefinition['unique']>;
  add_indexes?: IndexDefinition[];
  add_checks?: { check: string; name?: string }[];
  add_foreign_keys?: ForeignKeyDefinition[];
  drop_indexes?: string[];
  drop_constraints?: string[];
  comment?: string | null;
}

/** The outcome of `createTable`. */
export interface TableCreated {
  /** Whether this call made it; otherwise it was there already, and is equal. */
  isNew: boolean;
  definition: TableDefinition;
}
