/**
 * What a page works with. There are two implementations: `open()` keeps the data in the page, `connect(url)` speaks to a server.
 * Both mean the same; a page changes from one to the other in one line.
 *
 * Every method that answers a promise rejects with a `MantisError`, whose `code` is one of the reference's codes.
 */

import type { Plugin, PluginModule, PluginOptions } from './plugins/api.js';

/** Bytes, or text that stands for its UTF-8 bytes. */
export type BytesLike = string | Uint8Array;

/** The commit that last wrote a key. Compare for equality; it grows with every commit. 0n: a write of the open transaction. */
export type Version = bigint;

/** Where a scan or the change feed goes on. Opaque. */
export type Cursor = string;

/** A key, its value, and what is known of it. */
export interface Entry {
  key: Uint8Array;
  value: Uint8Array;
  /** `application/octet-stream` unless the writer said otherwise. */
  mediaType: string;
  version: Version;
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  modifiedAtMs: number;
  /** The value is not served from then on; null when it stays. */
  expiresAtMs: number | null;
}

/** What must hold of a key for a write to happen. An expired key is absent. */
export type Expect = 'anything' | 'absent' | 'present' | { version: Version };

export interface SetOptions {
  /** At most 255 bytes of visible ASCII; `application/octet-stream` when not given. */
  mediaType?: string;
  /** The value is not served from this many milliseconds on: at least 1, at most 100 years' worth. */
  ttlMs?: number;
  /** `anything` when not given. */
  expect?: Expect;
}

/** What a write came to. */
export interface Written {
  /** The commit, the last one of several, or the newest where there was nothing to write. 0n in a transaction, before it commits. */
  version: Version;
  /** Whether that is certain to survive a power cut. In a page nothing is, nor in a transaction before it commits. */
  durable: boolean;
}

/** A deletion without a condition. */
export interface Deleted extends Written {
  /** Whether there was something to delete. */
  existed: boolean;
}

/** Keys that were deleted together. */
export interface DeletedKeys extends Written {
  /** How many. */
  keys: number;
}

/** A number that was added to. */
export interface Counted extends Written {
  /** The sum. */
  number: bigint;
}

/** What a conditional write came to. A lost race is an answer, not an error: `current` is what the key holds. */
export type Outcome = ({ written: true } & Written) | { written: false; current: Entry | null };

/** All keys (`{}`), those that begin with a prefix, or those from `start` (included) to `end` (excluded). */
export type Span = { prefix: BytesLike } | { prefix?: never; start?: BytesLike; end?: BytesLike };

export type ScanOptions = Span & {
  /** From the largest key down. */
  reverse?: boolean;
  /** Entries of a page: 1 to 1,000; 100 when not given. */
  limit?: number;
  /** From the page before, with the same span and direction. */
  cursor?: Cursor | null;
};

/** Pages are bounded in bytes too (1 MiB): a page may be shorter than its limit. Go on while there is a cursor. */
export interface Page {
  entries: Entry[];
  cursor: Cursor | null;
}

export interface KeyPage {
  keys: Uint8Array[];
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

/** What an operation of a batch came to. */
export type OperationResult =
  | { op: 'get'; entry: Entry | null }
  | { op: 'set' }
  | { op: 'delete'; deleted: number }
  | { op: 'delete-span'; deleted: number }
  | { op: 'increment'; number: bigint }
  | { op: 'check' };

/** An operation whose expectation failed: its place from 0, and what its key holds. */
export interface Refusal {
  index: number;
  current: Entry | null;
}

/**
 * What a batch came to: everything was done, or nothing was written and every failed expectation is named. `version` is that of its
 * commit, or of the newest one that it saw where it wrote nothing; 0n in a transaction, and before the first commit.
 */
export type Applied =
  ({ committed: true; results: OperationResult[] } & Written) | { committed: false; refusals: Refusal[] };

/** The keys and values of one bucket. Outside a transaction each call is atomic by itself. */
export interface Kv {
  /** The bucket's name. */
  readonly bucket: string;
  /** The value; null when it is missing or has expired. */
  get(key: BytesLike): Promise<Uint8Array | null>;
  getEntry(key: BytesLike): Promise<Entry | null>;
  /** At most 1,000 keys, at one moment; the answers are in the order of the keys. */
  getMany(keys: BytesLike[]): Promise<(Uint8Array | null)[]>;
  set(key: BytesLike, value: BytesLike): Promise<Written>;
  setWith(key: BytesLike, value: BytesLike, options: SetOptions): Promise<Outcome>;
  delete(key: BytesLike): Promise<Deleted>;
  deleteIf(key: BytesLike, expect: Expect): Promise<Outcome>;
  /** Adds to a decimal number kept as text; a missing key counts as 0. `by` is 1 by default. */
  increment(key: BytesLike, by?: bigint | number): Promise<Counted>;
  /** A page of entries in key order. */
  scan(options?: ScanOptions): Promise<Page>;
  /** A page of keys in order. */
  scanKeys(options?: ScanOptions): Promise<KeyPage>;
  /** All entries of a span, page after page; `limit` is the size of a page. */
  entries(options?: ScanOptions): AsyncIterableIterator<Entry>;
  count(span?: Span): Promise<number>;
  /** Outside a transaction in commits of 1,000 keys. */
  deleteSpan(span: Span): Promise<DeletedKeys>;
  /** At most 10,000 operations in one commit, all or nothing. */
  apply(operations: Operation[]): Promise<Applied>;
}

export interface TransactionOptions {
  /** `serializable` when not given: what was read must not have changed. `snapshot`: only what was written must not have. */
  isolation?: 'serializable' | 'snapshot';
}

/** Reads of one moment, and writes that nobody sees before they are committed together. */
export interface Transaction {
  /** A bucket whose calls belong to this transaction. They fail with `transaction-not-open` once it has ended. */
  kv(bucket?: string): Kv;
  /** Rejects with `conflict` when another commit changed what was read: begin again. It has ended then, whatever the outcome. */
  commit(): Promise<Written>;
  /** Forgets what was written. Nothing happens when it has ended already. */
  rollback(): Promise<void>;
}

/** One key that a commit changed. */
export interface Change {
  /** `delete` when it was deleted or has expired. */
  kind: 'put' | 'delete';
  bucket: string;
  key: Uint8Array;
  value: Uint8Array | null;
  mediaType: string | null;
  expiresAtMs: number | null;
  version: Version;
  /** The commit that had written the value before; null when there was none. */
  previousVersion: Version | null;
  /** When the commit was made, in milliseconds since the epoch. */
  timeMs: number;
  /** Where to resume after this change. */
  cursor: Cursor;
}

export interface ChangesOptions {
  /** Of this bucket only. */
  bucket?: string;
  /** Of keys that begin so. */
  prefix?: BytesLike;
  /** `now` when not given: the next commit. `earliest`: the oldest that is kept. Or a change's cursor: what follows it. */
  since?: 'now' | 'earliest' | Cursor;
  /** Ends the iteration when it is aborted. */
  signal?: AbortSignal;
}

/** Every change in order, for `for await`. It never ends by itself; leaving the loop closes it. */
export interface ChangeFeed extends AsyncIterableIterator<Change> {
  /** Resolves when the feed is followed: what is committed after that is shown. */
  readonly ready: Promise<void>;
  return(): Promise<IteratorResult<Change>>;
}

export interface BucketInfo {
  name: string;
  /** Keys; those that have expired count until they are removed, within a second or so. */
  keys: number;
  /** Bytes of keys and values, as stored. */
  bytes: number;
}

/** Figures of the engine. Counts, bytes and milliseconds, as the names say. */
export type Stats = Record<string, number>;

/** A database: in the page, or behind a URL. */
export interface MantisDB {
  /** The URL of the server; null when the data is in the page. */
  readonly url: string | null;
  /** The keys and values of a bucket, `default` when none is named. */
  kv(bucket?: string): Kv;
  transaction(options?: TransactionOptions): Promise<Transaction>;
  /**
   * Runs `work` in a transaction and commits it. After a conflict `work` runs again, at most 8 times; after any other error the
   * transaction is rolled back and the error is passed on.
   */
  transact<T>(work: (transaction: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  changes(options?: ChangesOptions): ChangeFeed;
  buckets(): Promise<BucketInfo[]>;
  /** Drops a bucket and the keys that it has. */
  dropBucket(name: string): Promise<DeletedKeys>;
  stats(): Promise<Stats>;
  /** A plugin: in the page the module that the build made of it; on a server its name, or that module, which knows its name. */
  plugin(plugin: string | PluginModule, options?: PluginOptions): Plugin;
  /** Ends feeds and timers. In the page the data is gone with it. */
  close(): Promise<void>;
}
