/**
 * The interface of a database, with two implementations: `open()` keeps the data in the page, `connect(url)` uses a server. Their
 * methods have the same meaning; a page switches from one to the other in one line.
 *
 * Every method that returns a promise rejects with a `MantisError`, whose `code` is in the reference of error codes.
 */

import type { Plugin, PluginModule, PluginOptions } from './plugins/api.js';
import type { BatchOperation, Batched } from './tables/batch.js';
import type {
  AnyDatabase,
  DatabaseTypes,
  Table,
  TableChange,
  TableCreated,
  TableDefinition,
  TableName,
} from './tables/api.js';

/** Bytes, of any realm, or text, which is encoded as UTF-8. A text with half of a surrogate pair is refused. */
export type BytesLike = string | ArrayBuffer | ArrayBufferView;

/** Bytes of an answer, in memory of their own: `Blob`, `Response` and `crypto.subtle` take them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** The commit that last wrote a key. It grows with every commit; compare it for equality. 0n is a write of the open transaction. */
export type Version = bigint;

/** The place where a scan or the change feed continues. Opaque. */
export type Cursor = string;

/** A key, its value and the value's metadata. */
export interface Entry {
  key: Bytes;
  value: Bytes;
  /** `application/octet-stream` unless set by the writer. */
  mediaType: string;
  version: Version;
  /** The time of the commit that wrote the value, in milliseconds since 1970-01-01T00:00:00Z. */
  modifiedAtMs: number;
  /** The time from which the value is no longer returned, in milliseconds since the epoch; null if it does not expire. */
  expiresAtMs: number | null;
}

/** A condition on a key, without which a write does not happen. An expired key is absent. */
export type Expect = 'anything' | 'absent' | 'present' | { version: Version };

export interface SetOptions {
  /** At most 255 bytes of visible ASCII; `application/octet-stream` by default. */
  mediaType?: string;
  /** Milliseconds after which the value expires: 1 to 100 years. */
  ttlMs?: number;
  /** `anything` by default. */
  expect?: Expect;
}

/** The outcome of a write. */
export interface Written {
  /** The commit, the last of several, or the newest one if nothing was written. 0n in a transaction before it commits. */
  version: Version;
  /** Whether the write is certain to survive a power cut. False in a page, and in a transaction before it commits. */
  durable: boolean;
}

/** The outcome of an unconditional deletion. */
export interface Deleted extends Written {
  /** Whether the key had a value. */
  existed: boolean;
}

/** The outcome of a deletion of several keys. */
export interface DeletedKeys extends Written {
  /** The number of deleted keys. */
  keys: number;
}

/** The outcome of an increment. */
export interface Counted extends Written {
  /** The sum. */
  number: bigint;
}

/** The outcome of a conditional write. An unmet condition is not an error: `current` is the key's present entry. */
export type Outcome = ({ written: true } & Written) | { written: false; current: Entry | null };

/** All keys (`{}`), keys that begin with a prefix, or keys from `start` (inclusive) to `end` (exclusive). */
export type Span = { prefix: BytesLike } | { prefix?: never; start?: BytesLike; end?: BytesLike };

export type ScanOptions = Span & {
  /** In descending order. */
  reverse?: boolean;
  /** Entries of a page: 1 to 1,000; 100 by default. */
  limit?: number;
  /** The cursor of the previous page of a scan with the same span and direction. */
  cursor?: Cursor | null;
};

/** A page of entries. It is also limited to 1 MiB, so it may have fewer than the limit: continue as long as there is a cursor. */
export interface Page {
  entries: Entry[];
  cursor: Cursor | null;
}

export interface KeyPage {
  keys: Bytes[];
  cursor: Cursor | null;
}

/** One operation of a batch. */
export type Operation =
  | { op: 'get'; key: BytesLike }
  | ({ op: 'set'; key: BytesLike; value: BytesLike } & SetOptions)
  | { op: 'delete'; key: BytesLike; expect?: Expect }
  | { op: 'delete-span'; span: Span }
  | { op: 'increment'; key: BytesLike; by?: bigint | number }
  | { op: 'check'; key: BytesLike; expect: Expect };

/** The result of one operation of a batch. */
export type OperationResult =
  | { op: 'get'; entry: Entry | null }
  | { op: 'set' }
  | { op: 'delete'; deleted: number }
  | { op: 'delete-span'; deleted: number }
  | { op: 'increment'; number: bigint }
  | { op: 'check' };

/** An operation whose condition did not hold: its index, from 0, and the key's present entry. */
export interface Refusal {
  index: number;
  current: Entry | null;
}

/**
 * The outcome of a batch: either all of it was done, or nothing was written and every operation whose condition did not hold is
 * listed. `version` is its commit, or the newest commit that it saw if it wrote nothing; 0n in a transaction, and before the first
 * commit.
 */
export type Applied =
  ({ committed: true; results: OperationResult[] } & Written) | { committed: false; refusals: Refusal[] };

/** The keys and values of one bucket. Outside a transaction each call is atomic by itself. */
export interface Kv {
  /** The bucket's name. */
  readonly bucket: string;
  /** The value; null if the key is missing or has expired. */
  get(key: BytesLike): Promise<Bytes | null>;
  getEntry(key: BytesLike): Promise<Entry | null>;
  /** The values of up to 1,000 keys in one snapshot, in the order of the keys. */
  getMany(keys: BytesLike[]): Promise<(Bytes | null)[]>;
  set(key: BytesLike, value: BytesLike): Promise<Written>;
  setWith(key: BytesLike, value: BytesLike, options: SetOptions): Promise<Outcome>;
  /**
   * Stores a value as a JSON document, of the media type `application/json`. Rejects with `argument-invalid` where JSON has no text for it.
   */
  setJson(key: BytesLike, value: unknown, options?: Omit<SetOptions, 'mediaType'>): Promise<Outcome>;
  /** The value, read as JSON; null if the key is missing or has expired. Rejects with `not-json` for any other value. */
  getJson<T = unknown>(key: BytesLike): Promise<T | null>;
  delete(key: BytesLike): Promise<Deleted>;
  deleteIf(key: BytesLike, expect: Expect): Promise<Outcome>;
  /** Adds to a decimal number stored as text; a missing key counts as 0. `by` is 1 by default. */
  increment(key: BytesLike, by?: bigint | number): Promise<Counted>;
  /** A page of entries in key order. */
  scan(options?: ScanOptions): Promise<Page>;
  /** A page of keys in order. */
  scanKeys(options?: ScanOptions): Promise<KeyPage>;
  /** All entries of a span, page by page; `limit` is the size of a page. */
  entries(options?: ScanOptions): AsyncIterableIterator<Entry>;
  count(span?: Span): Promise<number>;
  /** Deletes the keys of a span; outside a transaction in commits of 1,000 keys. */
  deleteSpan(span: Span): Promise<DeletedKeys>;
  /** Runs up to 10,000 operations in order in one commit, all or none of them. */
  apply(operations: Operation[]): Promise<Applied>;
}

export interface TransactionOptions {
  /** `serializable` (the default): a commit fails if what was read has changed. `snapshot`: only if what was written has. */
  isolation?: 'serializable' | 'snapshot';
}

/** Reads of one snapshot, and writes that become visible together at commit. */
export interface Transaction<D extends DatabaseTypes = AnyDatabase> {
  /** A bucket whose calls belong to this transaction. They fail with `transaction-not-open` after it has ended. */
  kv(bucket?: string): Kv;
  /** A table whose statements belong to this transaction, likewise. A statement that fails is undone alone. */
  table<N extends TableName<D>>(name: N): Table<D['public']['Tables'][N]>;
  /** Runs operations on keys and rows in order, all or none of them: one that fails or is refused undoes the batch, and nothing else. */
  batch(operations: readonly BatchOperation[]): Promise<Batched>;
  /** Ends the transaction, whatever the outcome. Rejects with `conflict` if another commit changed what was read: run it again. */
  commit(): Promise<Written>;
  /** Discards the writes. Does nothing if the transaction has ended already. */
  rollback(): Promise<void>;
}

/** One key that a commit changed. */
export interface Change {
  /** `delete` if the key was deleted or has expired. */
  kind: 'put' | 'delete';
  bucket: string;
  key: Bytes;
  value: Bytes | null;
  mediaType: string | null;
  expiresAtMs: number | null;
  version: Version;
  /** The commit that wrote the previous value; null if there was none. */
  previousVersion: Version | null;
  /** The time of the commit, in milliseconds since the epoch. */
  timeMs: number;
  /** The cursor after this change. */
  cursor: Cursor;
}

/** Where a feed begins and ends. */
export interface FeedOptions {
  /** `now` (the default): from the next commit. `earliest`: from the oldest change kept. Or a cursor: after that change. */
  since?: 'now' | 'earliest' | Cursor;
  /** Ends the iteration when aborted. */
  signal?: AbortSignal;
}

export interface ChangesOptions extends FeedOptions {
  /** Changes of this bucket only. */
  bucket?: string;
  /** Changes of keys with this prefix only. */
  prefix?: BytesLike;
}

/** Changes in order, for `for await`. The feed has no end; leaving the loop closes it. */
export interface ChangeFeed<T = Change> extends AsyncIterableIterator<T> {
  /** Resolves when the feed is connected: later commits will be shown. */
  readonly ready: Promise<void>;
  return(): Promise<IteratorResult<T>>;
}

export interface BucketInfo {
  name: string;
  /** The number of keys. Expired keys count until they are removed, within about a second. */
  keys: number;
  /** Bytes of keys and values, as stored. */
  bytes: number;
}

/** Statistics of the engine: counts, bytes and milliseconds, as the names say. */
export type Stats = Record<string, number>;

/** A database, in the page or on a server. `D` are the types of its tables. */
export interface MantisDB<D extends DatabaseTypes = AnyDatabase> {
  /** The URL of the server; null if the data is in the page. */
  readonly url: string | null;
  /** The keys and values of a bucket, `default` if none is named. */
  kv(bucket?: string): Kv;
  /** The rows of a table. In the page a database has tables if it was opened with `tables`; otherwise calls reject with `0A000`. */
  table<N extends TableName<D>>(name: N): Table<D['public']['Tables'][N]>;
  /** The definitions of all tables, by name. */
  tables(): Promise<TableDefinition[]>;
  describeTable(name: string): Promise<TableDefinition>;
  /** Makes a table, or confirms that it is there with this definition. */
  createTable(name: string, definition: TableDefinition): Promise<TableCreated>;
  /** Alters a table: all of the changes or none. Returns its definition after that. */
  alterTable(name: string, change: TableChange): Promise<TableDefinition>;
  /** Drops a table with its rows. Refused (2BP01) where a foreign key of another table references it. */
  dropTable(name: string): Promise<void>;
  transaction(options?: TransactionOptions): Promise<Transaction<D>>;
  /**
   * Runs `work` in a transaction and commits it. After a conflict it runs `work` again, 8 times in all at most; after any other
   * error it rolls the transaction back and rejects with that error.
   */
  transact<T>(work: (transaction: Transaction<D>) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * Runs operations on keys and rows of any buckets and tables in order, in one commit: all of them, or none if a condition does not
   * hold or one fails. Each sees what those before it wrote. An error has the index of its `operation`.
   */
  batch(operations: readonly BatchOperation[]): Promise<Batched>;
  /** The changes of keys; `table(name).changes()` has those of rows. */
  changes(options?: ChangesOptions): ChangeFeed;
  buckets(): Promise<BucketInfo[]>;
  /** Drops a bucket with its keys. */
  dropBucket(name: string): Promise<DeletedKeys>;
  stats(): Promise<Stats>;
  /** A plugin: in the page the module that the build made of it, or its name; on a server its name, or the module that has it. */
  plugin(plugin: string | PluginModule, options?: PluginOptions): Plugin;
  /** Ends feeds and timers. In the page the data is lost. */
  close(): Promise<void>;
}
