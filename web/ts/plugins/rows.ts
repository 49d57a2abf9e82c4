/** The calls of `mantis:db/tables` on one table of the page's store. */

import { checkTexts, MantisError, type Version } from '../client.js';
import type { Target } from '../page/bucket.js';
import { hasTables, type RawCall, type RawSession } from '../page/raw.js';
import { admitRows } from '../page/rows.js';
import { packValues, unpackRows, type WitValue } from './values.js';

/** The record `query`. */
export interface WitQuery {
  filter: string;
  arguments: WitValue[];
  select: string;
  order: string;
  limit?: number;
  offset: number;
}

interface WitRows {
  columns: string[];
  rows: WitValue[][];
}

interface WitChanged {
  count: bigint;
  written: { version: Version; durable: boolean };
  returned: WitRows | undefined;
}

interface RawRows {
  columns: string[];
  data: Uint8Array;
  count: number;
  version: Version;
}

interface RawChanged {
  count: bigint;
  version: Version;
  durable: boolean;
  returned?: RawRows;
}

export class PluginRows {
  readonly #target: Target;
  readonly #name: string;

  constructor(target: Target, name: string) {
    this.#target = target;
    this.#name = name;
  }

  /** Throws if there is no such table, or the grants do not include it. */
  check(): void {
    this.#read((session) => session.callOpen(this.#name));
  }

  get(primaryKey: WitValue[], select: string): [WitValue[], Version] | undefined {
    const asked = { filter: '', arguments: primaryKey, select, order: '', offset: 0 };
    const found = this.#read((session) => session.callGet(this.#name, this.#toRaw(asked)) as RawRows);
    const [row] = toWitRows(found).rows;
    return row === undefined ? undefined : [row, found.version];
  }

  select(query: WitQuery): WitRows {
    return toWitRows(this.#select(query, false));
  }

  selectPacked(query: WitQuery): { columns: string[]; data: Uint8Array; count: number } {
    const { columns, data, count } = this.#select(query, true);
    return { columns, data, count };
  }

  count(query: WitQuery): bigint {
    return this.#read((session) => session.callCount(this.#name, this.#toRaw(query)));
  }

  explain(query: WitQuery): string {
    return this.#read((session) => session.callExplain(this.#name, this.#toRaw(query)));
  }

  insert(
    columns: string[],
    rows: WitValue[][],
    onConflict: string,
    conflictColumns: string[],
    returning: string | undefined,
  ): WitChanged {
    const { values, lengths } = packRows(rows);
    return this.#write((session) => {
      admitRows(session, values.length);
      return session.callInsert(this.#name, columns, values, lengths, onConflict, conflictColumns, returning);
    });
  }

  updateMany(columns: string[], rows: WitValue[][]): WitChanged {
    const { values, lengths } = packRows(rows);
    return this.#write((session) => {
      admitRows(session, values.length);
      return session.callUpdateMany(this.#name, columns, values, lengths);
    });
  }

  update(query: WitQuery, assign: [string, WitValue][], ifVersion: Version | undefined): WitChanged {
    const columns = assign.map(([column]) => column);
    const values = packValues(assign.map(([, value]) => value));
    return this.#write((session) => {
      admitRows(session, values.length);
      return session.callUpdate(this.#name, this.#toRaw(query), columns, values, ifVersion);
    });
  }

  delete(query: WitQuery, ifVersion: Version | undefined): WitChanged {
    return this.#write((session) => session.callDelete(this.#name, this.#toRaw(query), ifVersion));
  }

  #select(query: WitQuery, isPacked: boolean): RawRows {
    return this.#read((session) => session.callSelect(this.#name, this.#toRaw(query), isPacked) as RawRows);
  }

  #toRaw({ filter, arguments: given, select, order, limit, offset }: WitQuery): RawCall {
    checkTexts([filter, select, order]);
    return this.#target.store.newCall(filter, packValues(given), select, order, limit, offset);
  }

  #read<T>(work: (session: RawSession) => T): T {
    return this.#target.store.call(() => {
      const session = this.#target.session();
      if (!hasTables(session)) {
        const message = 'this database was opened without tables\nHINT: open({ tables: true })';
        throw new MantisError('0A000', 'invalid', message);
      }
      return work(session);
    });
  }

  #write(work: (session: RawSession) => unknown): WitChanged {
    const { count, version, durable, returned } = this.#read(work) as RawChanged;
    this.#target.wrote();
    return { count, written: { version, durable }, returned: returned && toWitRows(returned) };
  }
}

function packRows(rows: WitValue[][]): { values: Uint8Array; lengths: Uint32Array } {
  return { values: packValues(rows.flat()), lengths: Uint32Array.from(rows, (row) => row.length) };
}

function toWitRows({ columns, data, count }: RawRows): WitRows {
  return { columns, rows: unpackRows(data, columns.length, count) };
}
