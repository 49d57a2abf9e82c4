/** Statements on the rows of one table in the page. */

import type { Version } from '../api.js';
import { MantisError } from '../errors.js';
import type { TableChange, TableCreated, TableDefinition } from '../tables/api.js';
import { toJson, type Parameter } from '../tables/dialect.js';
import type { RowStore, StoreWritten, Writing } from '../tables/query.js';
import type { Target } from './bucket.js';
import { call, hasTables, type RawSession } from './raw.js';

/** A table's statements. The store never waits; `async` turns exceptions into rejections. */
export class PageRows implements RowStore {
  readonly #target: Target;
  readonly table: string;

  constructor(target: Target, table: string) {
    this.#target = target;
    this.table = table;
  }

  async select(parameters: Parameter[], countsAll: boolean): Promise<{ rows: string; total: number | undefined }> {
    return inTables(
      this.#target,
      (session) => session.selectRows(this.table, [], parameters.flat(), countsAll) as never,
    );
  }

  async get(key: string[], parameters: Parameter[]): Promise<{ rows: string; version: Version }> {
    return inTables(this.#target, (session) => session.selectRows(this.table, key, parameters.flat(), false) as never);
  }

  async count(parameters: Parameter[]): Promise<number> {
    return inTables(this.#target, (session) => session.countRows(this.table, parameters.flat()));
  }

  async explain(parameters: Parameter[]): Promise<string> {
    return inTables(this.#target, (session) => session.explainRows(this.table, parameters.flat()));
  }

  async write(writing: Writing): Promise<StoreWritten> {
    const { verb, parameters, columns, rows, returned, key = [], ifVersion } = writing;
    const values = rows.flatMap((row) => columns.map((column) => toJson(row[column]) ?? '')).join('\n');
    const written = inTables(
      this.#target,
      (session) =>
        session.writeRows(
          verb,
          this.table,
          key,
          parameters.flat(),
          columns,
          values,
          rows.length,
          returned,
          ifVersion,
        ) as never,
    );
    this.#target.wrote();
    return written;
  }
}

/** Definitions of tables. */
export class PageTables {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  create(name: string, definition: TableDefinition): TableCreated {
    const text = toJson(definition) ?? '';
    const created = this.#change(
      (session) => session.createTable(name, text) as { isNew: boolean; definition: string },
    );
    return { isNew: created.isNew, definition: JSON.parse(created.definition) as TableDefinition };
  }

  alter(name: string, change: TableChange): TableDefinition {
    const text = toJson(change) ?? '';
    return JSON.parse(this.#change((session) => session.alterTable(name, text))) as TableDefinition;
  }

  drop(name: string): void {
    this.#change((session) => session.dropTable(name));
  }

  describe(name: string): TableDefinition {
    return JSON.parse(inTables(this.#target, (session) => session.describeTable(name))) as TableDefinition;
  }

  list(): TableDefinition[] {
    const texts = inTables(this.#target, (session) => session.describeTables());
    return texts.map((text) => JSON.parse(text) as TableDefinition);
  }

  #change<T>(work: (session: RawSession) => T): T {
    const changed = inTables(this.#target, work);
    this.#target.wrote();
    return changed;
  }
}

/** Runs a call on tables, where the database has them. */
export function inTables<T>(target: Target, work: (session: RawSession) => T): T {
  return call(() => {
    const session = target.session();
    if (!hasTables(session)) {
      throw new MantisError('0A000', 'invalid', 'this database was opened without tables', {
        hint: 'open({ tables: true })',
      });
    }
    return work(session);
  });
}
