/** Statements on the rows of one table of a server. */

import { rejectCleanly } from '../errors.js';
import type { Version } from '../api.js';
import { toBytes, toText } from '../bytes.js';
import { invalid, tableError } from '../errors.js';
import type { TableChange, TableCreated, TableDefinition } from '../tables/api.js';
import { checkTexts, name as named, toDefinition, toJson, type Parameter } from '../tables/dialect.js';
import type { RowStore, StoreWritten, Verb, Writing } from '../tables/query.js';
import { isStep, percentEncode, segment, toWritten, type Answer, type ApiRequest, type Client } from './client.js';

const JSON_TYPE = 'application/json';
/** Of the rows alone, as the page's plan: other forms have the step that writes the document too. */
const PLAN_TYPE = 'application/vnd.pgrst.plan+text; for="application/x-ndjson"';

const METHODS: Record<Verb, ApiRequest['method']> = {
  insert: 'POST',
  merge: 'POST',
  ignore: 'POST',
  update: 'PATCH',
  'update-many': 'PATCH',
  delete: 'DELETE',
};
const RESOLUTIONS: { [verb in Verb]?: string } = { merge: 'merge-duplicates', ignore: 'ignore-duplicates' };

/** A table's statements. `transaction` is the open transaction's id, if there is one. */
export class HttpRows implements RowStore {
  readonly #client: Client;
  readonly #transaction: () => string | undefined;
  readonly table: string;

  constructor(client: Client, table: string, transaction: () => string | undefined) {
    this.#client = client;
    this.table = table;
    this.#transaction = transaction;
  }

  async select(parameters: Parameter[], countsAll: boolean): Promise<{ rows: string; total: number | undefined }> {
    const headers: Record<string, string> = countsAll ? { prefer: 'count=exact' } : {};
    const { answer, error } = await this.#attempt('GET', parameters, headers);
    // A page behind the last row: the rows are counted all the same.
    if (error?.code === 'PGRST103' && totalOf(answer) !== undefined) return { rows: '[]', total: totalOf(answer) };
    if (error !== null) throw error;
    return { rows: toText(answer.bytes), total: totalOf(answer) };
  }

  async get(key: string[], parameters: Parameter[]): Promise<{ rows: string; version: Version }> {
    const { answer, error } = await this.#attempt('GET', parameters, {}, undefined, key);
    if (error?.code === 'row-not-found') return { rows: '[]', version: 0n };
    if (error !== null) throw error;
    // What a transaction has written itself has no tag.
    const version = /^"v(\d+)/.exec(answer.headers.get('etag') ?? '')?.[1] ?? 0;
    return { rows: `[${toText(answer.bytes)}]`, version: BigInt(version) };
  }

  async count(parameters: Parameter[]): Promise<number> {
    const none: Parameter[] = [...parameters, ['limit', '0']];
    return totalOf(await this.#send('GET', none, { prefer: 'count=exact' })) ?? 0;
  }

  async explain(parameters: Parameter[]): Promise<string> {
    return toText((await this.#send('GET', parameters, { accept: PLAN_TYPE })).bytes);
  }

  async write(writing: Writing): Promise<StoreWritten> {
    const { verb, parameters, columns, rows, returned, key, ifVersion } = writing;
    const preferences = [
      `return=${returned ? 'representation' : 'minimal'}`,
      'count=exact',
      'missing=default',
      ...(RESOLUTIONS[verb] === undefined ? [] : [`resolution=${RESOLUTIONS[verb]}`]),
    ];
    const body = verb === 'delete' ? undefined : toJson(verb === 'update' ? rows[0] : rows);
    const headers = {
      prefer: preferences.join(','),
      ...(body === undefined ? {} : { 'content-type': JSON_TYPE }),
      ...(ifVersion === undefined ? {} : { 'if-match': `"v${ifVersion}"` }),
    };
    const inBody: Parameter[] =
      body === undefined || columns.length === 0 ? [] : [['columns', columns.map(named).join(',')]];
    const { answer, error } = await this.#attempt(METHODS[verb], [...parameters, ...inBody], headers, body, key);
    if (key !== undefined && error?.code === 'row-not-found') {
      return { count: 0, rows: returned ? '[]' : undefined, ...toWritten(answer) };
    }
    if (error !== null) throw error;
    const text = toText(answer.bytes);
    if (key !== undefined) return { count: 1, rows: returned ? `[${text}]` : undefined, ...toWritten(answer) };
    return { count: totalOf(answer) ?? 0, rows: returned ? text : undefined, ...toWritten(answer) };
  }

  async #send(method: ApiRequest['method'], parameters: Parameter[], headers: Record<string, string>): Promise<Answer> {
    const { answer, error } = await this.#attempt(method, parameters, headers);
    if (error !== null) throw error;
    return answer;
  }

  async #attempt(
    method: ApiRequest['method'],
    parameters: Parameter[],
    headers: Record<string, string>,
    body?: string,
    key?: string[],
  ): ReturnType<Client['attempt']> {
    checkTexts([this.table, ...parameters.flat(), ...(key ?? [])]);
    const row = key === undefined ? '' : `/${rowOf(key)}`;
    return this.#client.attempt({
      method,
      path: `/tables/${segment(this.table)}${row}`,
      query: parameters,
      headers: { accept: JSON_TYPE, ...headers, 'mantisdb-transaction': this.#transaction() },
      ...(body === undefined ? {} : { body }),
    });
  }
}

/** Definitions of tables. */
export class HttpTables {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async create(name: string, definition: TableDefinition): Promise<TableCreated> {
    if (isStep(name)) {
      const message = `the name of the table is a step in a path, which clients resolve: ${JSON.stringify(name)}`;
      throw tableError({ code: '42602', message });
    }
    const answer = await this.#send('PUT', name, definition);
    return { isNew: answer.status === 201, definition: read(answer) };
  }

  async alter(name: string, change: TableChange): Promise<TableDefinition> {
    return read(await this.#send('PATCH', name, change));
  }

  async drop(name: string): Promise<void> {
    await this.#send('DELETE', name);
  }

  async describe(name: string): Promise<TableDefinition> {
    return read(await this.#send('GET', name));
  }

  async list(): Promise<TableDefinition[]> {
    const { tables } = await this.#client.json<{ tables: TableDefinition[] }>({
      method: 'GET',
      path: '/schema/tables',
    });
    return tables;
  }

  #send(method: ApiRequest['method'], name: string, document?: TableDefinition | TableChange): Promise<Answer> {
    checkTexts([name]);
    const path = `/schema/tables/${segment(name)}`;
    const body = document === undefined ? undefined : toDefinition(document);
    const headers = { accept: JSON_TYPE, ...(body === undefined ? {} : { 'content-type': JSON_TYPE }) };
    return this.#client.send({ method, path, headers, ...(body === undefined ? {} : { body }) });
  }
}

function read(answer: Answer): TableDefinition {
  return JSON.parse(toText(answer.bytes)) as TableDefinition;
}

/** The path of a row. */
function rowOf(key: string[]): string {
  if (isStep(key.join(',')))
    throw invalid('argument-invalid', 'a row whose key is "." or ".." has no path in a URL: select it with where()');
  return key.map((value) => percentEncode(toBytes(value))).join(',');
}

rejectCleanly(HttpRows, HttpTables);

/** How many rows there are in all, or were written: what `Content-Range` says after its slash. */
function totalOf(answer: Answer): number | undefined {
  const total = answer.headers.get('content-range')?.split('/')[1];
  return total === undefined || total === '*' ? undefined : Number(total);
}
