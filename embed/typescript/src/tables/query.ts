/** The builder of queries, over whatever runs them. */

import type { ChangeFeed, FeedOptions, Version, Written } from '../api.js';
import { MantisError, invalid, rejectCleanly } from '../errors.js';
import type {
  AnyTable,
  Condition,
  FilterOperator,
  FilterValue,
  OrderOptions,
  Query,
  RowFound,
  RowKey,
  RowWriteOptions,
  RowsWritten,
  Table,
  TableEvent,
  UpsertOptions,
  WriteOptions,
} from './api.js';
import { name, orderTerm, parameter, text, type Parameter } from './dialect.js';

type Row = { [column: string]: unknown };

/** What a write does: inserts, inserts or merges, inserts or leaves, and so on. */
export type Verb = 'insert' | 'merge' | 'ignore' | 'update' | 'update-many' | 'delete';

/** A write of rows. */
export interface Writing {
  verb: Verb;
  parameters: Parameter[];
  /** The columns that `rows` have. */
  columns: string[];
  rows: Row[];
  returned: boolean;
  /** The primary key of the one row that is written. */
  key?: string[];
  ifVersion?: Version | undefined;
}

/** What a write answers: the rows if they are returned. */
export type StoreWritten = Written & { count: number; rows: string | undefined };

/** Runs statements on one table. Rows are the text of a JSON array. */
export interface RowStore {
  readonly table: string;
  select(parameters: Parameter[], countsAll: boolean): Promise<{ rows: string; total: number | undefined }>;
  /** The row of a primary key, in a list of one or none, and its version. */
  get(key: string[], parameters: Parameter[]): Promise<{ rows: string; version: Version }>;
  /** How many rows the filters select. */
  count(filters: Parameter[]): Promise<number>;
  explain(parameters: Parameter[]): Promise<string>;
  write(writing: Writing): Promise<StoreWritten>;
}

/** Follows the changes that the parameters of a query select. */
export type Follow = (parameters: Parameter[], options: FeedOptions) => ChangeFeed<TableEvent<never>>;

/** What a query says besides its filters. */
interface Window {
  select?: string;
  order?: string;
  limit?: number;
  offset?: number;
}

class RowQuery implements Query<AnyTable> {
  protected readonly store: RowStore;
  readonly #follow: Follow | null;
  readonly #filters: Parameter[];
  readonly #window: Window;

  /** `follow` is null in a transaction. */
  constructor(store: RowStore, follow: Follow | null, filters: Parameter[], window: Window) {
    this.store = store;
    this.#follow = follow;
    this.#filters = filters;
    this.#window = window;
  }

  select(...columns: string[]): never {
    const [only = '*'] = columns;
    // Several are names, one may be any select.
    const select = columns.length > 1 ? columns.map(name).join(',') : only;
    return this.#with({ select }) as never;
  }

  where(condition: Condition | string, operator?: FilterOperator, value?: FilterValue): RowQuery {
    const filter = typeof condition === 'string' ? [condition, operator, value] : condition;
    return this.#filtered(parameter(filter as Condition));
  }

  parameter(name: string, value: string): RowQuery {
    return this.#filtered([name, value]);
  }

  order(column: string, options?: OrderOptions): RowQuery {
    const before = this.#window.order;
    return this.#with({ order: `${before === undefined ? '' : `${before},`}${orderTerm(column, options)}` });
  }

  limit(limit: number): RowQuery {
    return this.#with({ limit: whole(limit) });
  }

  offset(offset: number): RowQuery {
    return this.#with({ offset: whole(offset) });
  }

  range(first: number, last: number): RowQuery {
    return this.#with({ offset: whole(first), limit: whole(last - first + 1) });
  }

  async rows(): Promise<never[]> {
    return JSON.parse(await this.json()) as never[];
  }

  async page(): Promise<{ rows: never[]; total: number }> {
    const { rows, total } = await this.store.select(this.#parameters(), true);
    return { rows: JSON.parse(rows) as never[], total: total ?? 0 };
  }

  async row(): Promise<never | null> {
    const two = this.#with({ limit: Math.min(this.#window.limit ?? 2, 2) });
    const rows = await two.rows();
    if (rows.length > 1) {
      throw new MantisError('PGRST116', 'invalid', 'Cannot coerce the result to a single JSON object', {
        details: 'The result contains more than one row',
      });
    }
    return rows[0] ?? null;
  }

  async json(): Promise<string> {
    return (await this.store.select(this.#parameters(), false)).rows;
  }

  async count(): Promise<number> {
    const { limit = Infinity, offset = 0 } = this.#window;
    return Math.max(0, Math.min(limit, (await this.store.count(this.#filters)) - offset));
  }

  async explain(): Promise<string> {
    return this.store.explain(this.#parameters());
  }

  changes(options: FeedOptions = {}): ChangeFeed<TableEvent<never>> {
    if (this.#follow === null) {
      throw invalid('argument-invalid', "changes belong to no transaction: ask the database's table for them");
    }
    return this.#follow(this.#parameters(), options);
  }

  async update(values: Row, options?: WriteOptions): Promise<RowsWritten<never>> {
    return this.write('update', [values], options);
  }

  async delete(options?: WriteOptions): Promise<RowsWritten<never>> {
    return this.write('delete', [], options);
  }

  /** `more` are the parameters of some verbs. */
  protected async write(
    verb: Verb,
    rows: readonly Row[],
    { returning, ifVersion }: RowWriteOptions = {},
    more: Parameter[] = [],
    key?: string[],
  ): Promise<RowsWritten<never>> {
    const { order, limit, offset } = this.#window;
    if (limit !== undefined || offset !== undefined) {
      throw invalid('argument-invalid', 'a write has no limit and no offset: name the rows by their keys');
    }
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row).filter((key) => row[key] !== undefined)))];
    const select = typeof returning === 'string' ? returning : this.#window.select;
    const shown: Parameter[] = returning ? [...pair('select', select), ...pair('order', order)] : [];
    const parameters: Parameter[] = [...shown, ...this.#filters, ...more];
    const written = await this.store.write({
      verb,
      parameters,
      columns,
      rows: [...rows],
      returned: !!returning,
      ...(key === undefined ? {} : { key, ifVersion }),
    });
    const { count, version, durable, rows: json = '[]' } = written;
    return { count, version, durable, rows: JSON.parse(json) as never[], json };
  }

  #parameters(): Parameter[] {
    const { select, order, limit, offset } = this.#window;
    return [
      ...pair('select', select),
      ...this.#filters,
      ...pair('order', order),
      ...pair('limit', limit),
      ...pair('offset', offset),
    ];
  }

  #filtered(filter: Parameter): RowQuery {
    return new RowQuery(this.store, this.#follow, [...this.#filters, filter], this.#window);
  }

  #with(window: Window): RowQuery {
    return new RowQuery(this.store, this.#follow, this.#filters, { ...this.#window, ...window });
  }
}

class RowTable extends RowQuery implements Table {
  constructor(store: RowStore, follow: Follow | null) {
    super(store, follow, [], {});
  }

  get name(): string {
    return this.store.table;
  }

  async insert(rows: Row | readonly Row[], options?: WriteOptions): Promise<RowsWritten<never>> {
    return this.write('insert', list(rows), options);
  }

  async upsert(rows: Row | readonly Row[], options: UpsertOptions<AnyTable> = {}): Promise<RowsWritten<never>> {
    const conflict = options.onConflict?.map(name).join(',');
    return this.write(
      options.ignoreDuplicates ? 'ignore' : 'merge',
      list(rows),
      options,
      pair('on_conflict', conflict),
    );
  }

  async get(key: RowKey, select?: string): Promise<RowFound<never> | null> {
    const { rows, version } = await this.store.get(toKey(key), pair('select', select || undefined));
    const [row] = JSON.parse(rows) as never[];
    return row === undefined ? null : { row, json: rows.slice(1, -1), version };
  }

  async updateRow(key: RowKey, values: Row, options?: RowWriteOptions): Promise<RowsWritten<never>> {
    return this.write('update', [values], options, [], toKey(key));
  }

  async deleteRow(key: RowKey, options?: RowWriteOptions): Promise<RowsWritten<never>> {
    return this.write('delete', [], options, [], toKey(key));
  }

  async updateMany(rows: readonly Row[], options?: WriteOptions): Promise<RowsWritten<never>> {
    return this.write('update-many', rows, options);
  }
}

rejectCleanly(RowQuery, RowTable);

function list(rows: Row | readonly Row[]): readonly Row[] {
  return Array.isArray(rows) ? rows : [rows as Row];
}

function toKey(key: RowKey): string[] {
  const values = (Array.isArray(key) ? key : [key]).map(text);
  if (values.length === 0) throw invalid('argument-invalid', 'a key has a value');
  return values;
}

function pair(name: string, value: string | number | undefined): Parameter[] {
  return value === undefined ? [] : [[name, String(value)]];
}

function whole(number: number): number {
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw invalid('argument-invalid', 'a number of rows is a whole number');
}

/** A table over what runs its statements and, outside a transaction, follows its changes. */
export function table(store: RowStore, follow: Follow | null = null): Table<never> {
  return new RowTable(store, follow) as unknown as Table<never>;
}
