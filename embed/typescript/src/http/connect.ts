import { rejectCleanly } from '../errors.js';
import type {
  BucketInfo,
  ChangeFeed,
  ChangesOptions,
  DeletedKeys,
  Kv,
  Stats,
  Transaction,
  TransactionOptions,
} from '../api.js';
import { toBucketName, toIsolation } from '../arguments.js';
import type { Plugin, PluginModule, PluginOptions } from '../plugins/api.js';
import { camelCase } from '../plugins/names.js';
import { transact, type Transactional } from '../retry.js';
import type { AnyDatabase, DatabaseTypes, Table, TableChange, TableCreated, TableDefinition } from '../tables/api.js';
import type { BatchOperation, Batched } from '../tables/batch.js';
import { table } from '../tables/query.js';
import { Turns } from '../turns.js';
import { keyFeed, tableFeed } from './changes.js';
import { Client } from './client.js';
import { HttpKv } from './kv.js';
import { runBatch } from './operations.js';
import type { HttpMantisDB, Plugins } from './api.js';
import type { CallOptions, ConnectOptions } from './options.js';
import { HttpPlugin } from './plugin.js';
import { HttpPlugins } from './plugins.js';
import { HttpRows, HttpTables } from './rows.js';
import { HttpTransaction } from './transaction.js';

/** A database on a server. */
class HttpDatabase implements HttpMantisDB, Transactional {
  readonly turns: Turns;
  readonly #client: Client;

  constructor(client: Client, turns: Turns) {
    this.#client = client;
    this.turns = turns;
  }

  get signal(): AbortSignal | undefined {
    return this.#client.signal;
  }

  with(options: CallOptions): HttpMantisDB {
    return new HttpDatabase(this.#client.with(options), this.turns);
  }

  get plugins(): Plugins {
    return new HttpPlugins(this.#client);
  }

  get url(): string {
    return this.#client.url;
  }

  kv(bucket = 'default'): Kv {
    return new HttpKv(this.#client, bucket, () => undefined);
  }

  table(name: string): Table<never> {
    return table(new HttpRows(this.#client, name, () => undefined), (parameters, options) =>
      tableFeed(this.#client, name, parameters, options),
    );
  }

  async tables(): Promise<TableDefinition[]> {
    return new HttpTables(this.#client).list();
  }

  async describeTable(name: string): Promise<TableDefinition> {
    return new HttpTables(this.#client).describe(name);
  }

  async createTable(name: string, definition: TableDefinition): Promise<TableCreated> {
    return new HttpTables(this.#client).create(name, definition);
  }

  async alterTable(name: string, change: TableChange): Promise<TableDefinition> {
    return new HttpTables(this.#client).alter(name, change);
  }

  async dropTable(name: string): Promise<void> {
    return new HttpTables(this.#client).drop(name);
  }

  async transaction(options?: TransactionOptions): Promise<Transaction> {
    return this.attempt(options);
  }

  async attempt(options: TransactionOptions = {}, retryToken?: string): Promise<Transaction> {
    const query = { isolation: toIsolation(options), retry: retryToken };
    const { id } = await this.#client.json<{ id: string }>({ method: 'POST', path: '/transactions', query });
    return new HttpTransaction(this.#client, id);
  }

  transact<T>(work: (transaction: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return transact(this, work, options);
  }

  async batch(operations: readonly BatchOperation[]): Promise<Batched> {
    return runBatch(this.#client, operations, undefined);
  }

  changes(options: ChangesOptions = {}): ChangeFeed {
    return keyFeed(this.#client, options);
  }

  async buckets(): Promise<BucketInfo[]> {
    return (await this.#client.json<{ buckets: BucketInfo[] }>({ method: 'GET', path: '/buckets' })).buckets;
  }

  async dropBucket(name: string): Promise<DeletedKeys> {
    const path = `/buckets/${toBucketName(name)}`;
    const { body, written } = await this.#client.written<{ deleted: number }>({
      method: 'DELETE',
      path,
      query: { drop: 'true' },
    });
    return { keys: body.deleted, ...written };
  }

  async stats(): Promise<Stats> {
    const { store } = await this.#client.service<{ store: Record<string, unknown> }>('/stats');
    const figures = Object.entries(store).flatMap(([name, figure]) => {
      const number = Number(figure);
      return Number.isNaN(number) ? [] : [[camelCase(name.replaceAll('_', '-')), number] as const];
    });
    return Object.fromEntries(figures);
  }

  /** `options` apply to the page; on a server the settings of the host apply. */
  plugin(plugin: string | PluginModule, _options?: PluginOptions): Plugin {
    return new HttpPlugin(this.#client, typeof plugin === 'string' ? plugin : plugin.name);
  }

  async close(): Promise<void> {
    this.#client.close();
  }
}

rejectCleanly(HttpDatabase);

/** A database on a server, by its URL, such as `http://127.0.0.1:8080`. Sends nothing: the first call shows whether it answers. */
export function connect<D extends DatabaseTypes = AnyDatabase>(
  url: string,
  options: ConnectOptions = {},
): HttpMantisDB<D> {
  return new HttpDatabase(new Client(url, options), new Turns()) as unknown as HttpMantisDB<D>;
}
