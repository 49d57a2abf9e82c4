/** Statements on the rows of one table in the page. */

import {
  checkTexts,
  MantisError,
  type Parameter,
  rejectCleanly,
  type RowStore,
  type StoreWritten,
  type TableChange,
  type TableCreated,
  type TableDefinition,
  tableError,
  toDefinition,
  toLines,
  type Version,
  type Writing,
} from '../client.js';
import type { Target } from './bucket.js';
import { hasTables, type RawSession } from './raw.js';

/** A table's statements. The store never waits; `async` turns exceptions into rejections. */
export class PageRows implements RowStore {
  readonly #target: Target;
  readonly table: string;

  constructor(target: Target, table: string) {
    this.#target = target;
    this.table = table;
  }

  async select(parameters: Parameter[], countsAll: boolean): Promise<{ rows: string; total: number | undefined }> {
    return this.#query(
      parameters,
      [],
      (session) => session.selectRows(this.table, [], parameters.flat(), countsAll) as never,
    );
  }

  async get(key: string[], parameters: Parameter[]): Promise<{ rows: string; version: Version }> {
    return this.#query(
      parameters,
      key,
      (session) => session.selectRows(this.table, key, parameters.flat(), false) as never,
    );
  }

  async count(parameters: Parameter[]): Promise<number> {
    return this.#query(parameters, [], (session) => session.countRows(this.table, parameters.flat()));
  }

  async explain(parameters: Parameter[]): Promise<string> {
    return this.#query(parameters, [], (session) => session.explainRows(this.table, parameters.flat()));
  }

  async write(writing: Writing): Promise<StoreWritten> {
    const { verb, parameters, columns, rows, returned, key = [], ifVersion } = writing;
    checkTexts(columns);
    const values = toLines(rows, columns);
    const written = this.#query(parameters, key, (session) => {
      admitRows(session, values.length);
      const { table } = this;
      const given = parameters.flat();
      return session.writeRows(verb, table, key, given, columns, values, rows.length, returned, ifVersion) as never;
    });
    this.#target.wrote();
    return written;
  }

  #query<T>(parameters: Parameter[], key: string[], work: (session: RawSession) => T): T {
    checkTexts([this.table, ...parameters.flat(), ...key]);
    return inTables(this.#target, work);
  }
}

rejectCleanly(PageRows);

/** Definitions of tables. */
export class PageTables {
  readonly #target: Target;

  constructor(target: Target) {
    this.#target = target;
  }

  create(name: string, definition: TableDefinition): TableCreated {
    const text = toDefinition(definition);
    checkTexts([name]);
    const created = this.#change(
      (session) => session.createTable(name, text) as { isNew: boolean; definition: string },
    );
    return { isNew: created.isNew, definition: JSON.parse(created.definition) as TableDefinition };
  }

  alter(name: string, change: TableChange): TableDefinition {
    const text = toDefinition(change);
    checkTexts([name]);
    return JSON.parse(this.#change((session) => session.alterTable(name, text))) as TableDefinition;
  }

  drop(name: string): void {
    checkTexts([name]);
    this.#change((session) => session.dropTable(name));
  }

  describe(name: string): TableDefinition {
    checkTexts([name]);
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

/** Checks that there is room for the rows of a text, which take twice as much memory. Little of it is not asked for. */
export function admitRows(session: RawSession, characters: number): void {
  if (characters <= 32_768) return;
  try {
    session.admit(2 * characters);
  } catch (thrown) {
    const { code, message } = thrown as { code?: string; message: string };
    // The same as a statement's own refusal.
    throw code === 'store-full' ? tableError({ code: '53200', message }) : thrown;
  }
}

/** Runs a call on tables, where the database has them. */
export function inTables<T>(target: Target, work: (session: RawSession) => T): T {
  return target.store.call(() => {
    const session = target.session();
    if (!hasTables(session)) {
      throw new MantisError('0A000', 'invalid', 'this database was opened without tables', {
        hint: 'open({ tables: true })',
      });
    }
    return work(session);
  });
}
