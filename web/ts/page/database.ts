import {
  type Batched,
  type BatchOperation,
  type BucketInfo,
  type ChangeFeed,
  type ChangesOptions,
  closed,
  type DeletedKeys,
  isBucketName,
  type Kv,
  type MantisDB,
  MantisError,
  type Plugin,
  type PluginModule,
  type PluginOptions,
  rejectCleanly,
  type Stats,
  type Table,
  table,
  type TableChange,
  type TableCreated,
  type TableDefinition,
  toBucketName,
  toIsolation,
  transact,
  type Transaction,
  type Transactional,
  type TransactionOptions,
  Turns,
  type Written,
} from '../client.js';
import { PagePlugin } from '../plugins/page.js';
import type { Target } from './bucket.js';
import { keyFeed, tableFeed, type FeedSource } from './changes.js';
import { PageKv } from './kv.js';
import { runBatch } from './operations.js';
import { hasTables, type RawDatabase, type RawSession, type Store } from './raw.js';
import { PageRows, PageTables } from './rows.js';
import { PageTransaction } from './transaction.js';

/** The interval of housekeeping: expired keys leave the memory, and appear in the feed, within this time. */
const MAINTAIN_EVERY_MS = 250;

/** A method of the build without tables. */
interface RawKeyDatabase {
  sessionWith(read: string, write: string): RawSession;
}

/** A database in the page. `maintain` and `nowMs` are for pages with a clock of their own. */
export class PageDatabase implements MantisDB, Target, FeedSource, Transactional {
  readonly url = null;
  readonly store: Store;
  readonly turns = new Turns();
  readonly #database: RawDatabase;
  readonly #session: RawSession;
  readonly #plugins: Map<string, PluginModule>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #closed = new AbortController();
  #version = 0n;
  #waiting = new Set<() => void>();

  constructor(store: Store, database: RawDatabase, plugins: PluginModule[]) {
    this.store = store;
    this.#database = database;
    this.#session = database.session();
    this.#plugins = new Map(plugins.map((plugin) => [plugin.name, plugin]));
    this.#timer = setInterval(() => this.#maintainLater(), MAINTAIN_EVERY_MS);
    // Nothing calls an instance that has crashed. Feeds that wait look again, and find that out.
    store.onCrash = () => {
      clearInterval(this.#timer);
      this.#wake();
    };
  }

  kv(bucket = 'default'): Kv {
    return new PageKv(this, bucket);
  }

  table(name: string): Table<never> {
    return table(new PageRows(this, name), (parameters, options) => tableFeed(this, name, parameters, options));
  }

  async tables(): Promise<TableDefinition[]> {
    return new PageTables(this).list();
  }

  async describeTable(name: string): Promise<TableDefinition> {
    return new PageTables(this).describe(name);
  }

  async createTable(name: string, definition: TableDefinition): Promise<TableCreated> {
    return new PageTables(this).create(name, definition);
  }

  async alterTable(name: string, change: TableChange): Promise<TableDefinition> {
    return new PageTables(this).alter(name, change);
  }

  async dropTable(name: string): Promise<void> {
    new PageTables(this).drop(name);
  }

  async transaction(options: TransactionOptions = {}): Promise<Transaction> {
    return this.begin(options);
  }

  attempt(options?: TransactionOptions): Promise<Transaction> {
    return this.transaction(options);
  }

  /** Opens a transaction, in `session` if its grants differ from the database's. */
  begin(options: TransactionOptions = {}, session?: RawSession): PageTransaction {
    this.#checkOpen();
    const begun = session ?? this.newSession();
    return new PageTransaction(this.store, begun, toIsolation(options) === 'snapshot', () => this.wrote());
  }

  newSession(): RawSession {
    this.#checkOpen();
    return this.store.call(() => this.#database.session());
  }

  /** A session with these buckets and tables only. */
  sessionWith(read: string[], write: string[]): RawSession {
    this.#checkOpen();
    return this.store.call(() => {
      // Invalid names of buckets grant nothing, and valid ones have no spaces.
      if (!hasTables(this.#session)) {
        const names = (granted: string[]) => granted.filter(isBucketName).join(' ');
        return (this.#database as unknown as RawKeyDatabase).sessionWith(names(read), names(write));
      }
      const names = (granted: string[]) => granted.filter((name) => name.startsWith('table/') || isBucketName(name));
      return this.#database.sessionGranted(names(read), names(write));
    });
  }

  transact<T>(work: (transaction: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return transact(this, work, options);
  }

  async batch(operations: readonly BatchOperation[]): Promise<Batched> {
    return runBatch(this, operations);
  }

  changes(options: ChangesOptions = {}): ChangeFeed {
    return keyFeed(this, options);
  }

  async buckets(): Promise<BucketInfo[]> {
    return this.store.call(() => this.session().buckets() as BucketInfo[]);
  }

  async dropBucket(name: string): Promise<DeletedKeys> {
    toBucketName(name);
    try {
      return this.store.call(() => this.session().dropBucket(name) as DeletedKeys);
    } finally {
      this.wrote();
    }
  }

  async stats(): Promise<Stats> {
    this.#checkOpen();
    return this.store.call(() => this.#database.stats() as Stats);
  }

  plugin(plugin: string | PluginModule, options: PluginOptions = {}): Plugin {
    const module = typeof plugin === 'string' ? this.#plugins.get(plugin) : plugin;
    if (module === undefined) return missingPlugin(String(plugin));
    return new PagePlugin(this, module, options);
  }

  /** The time of the database's clock, in milliseconds since the epoch. */
  nowMs(): number {
    this.#checkOpen();
    return this.store.call(() => this.#database.nowMs());
  }

  /** The newest commit. A page's store is in memory: nothing in it survives the page. */
  newest(): Written {
    return { version: this.version(), durable: false };
  }

  /** Housekeeping; a timer calls it too. */
  maintain(): void {
    this.#checkOpen();
    this.store.call(() => this.#database.maintain());
    this.wrote();
  }

  /** For the timer, from which nobody catches anything: what went wrong is said at the next call. */
  #maintainLater(): void {
    try {
      this.maintain();
    } catch (error) {
      if (!MantisError.is(error)) throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    clearInterval(this.#timer);
    this.#closed.abort();
    this.#wake();
    this.store.close();
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  session(): RawSession {
    this.#checkOpen();
    return this.#session;
  }

  wrote(): void {
    if (this.#closed.signal.aborted || this.store.failure !== null) return;
    const version = this.version();
    if (version === this.#version) return;
    this.#version = version;
    this.#wake();
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  version(): bigint {
    this.#checkOpen();
    return this.store.call(() => this.#database.version());
  }

  commitAfter(seen: bigint, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || this.store.failure !== null || this.version() !== seen) return resolve();
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #checkOpen(): void {
    if (this.#closed.signal.aborted) throw closed();
  }
}

rejectCleanly(PageDatabase);

/** Fails when it is called, as on a server. */
function missingPlugin(name: string): Plugin {
  const call = async () => {
    throw new MantisError('plugin-not-found', 'not-found', `there is no plugin ${name}: give it to open()`);
  };
  return { name, call, invoke: call };
}
