import {
  type Change,
  type ChangeFeed,
  type ChangesOptions,
  checkTexts,
  type Cursor,
  type FeedOptions,
  type Parameter,
  type TableEvent,
  toBucketName,
  toEnds,
  toSince,
} from '../client.js';
import type { RawSession, Store } from './raw.js';
import { inTables } from './rows.js';

/** Changes of one read from the store. */
const PAGE_CHANGES = 100;

/** The part of the database that the feed uses. */
export interface FeedSource {
  readonly store: Store;
  session(): RawSession;
  /** Called after each write. */
  wrote(): void;
  /** Aborted when the database is closed, which ends feeds. */
  readonly closed: AbortSignal;
  /** The newest commit. */
  version(): bigint;
  /** Resolves once there is a commit after `seen`, or when `signal` is aborted. */
  commitAfter(seen: bigint, signal: AbortSignal): Promise<void>;
}

interface Changes<T> {
  items: T[];
  cursor: Cursor;
  atEnd: boolean;
}

/** Reads at most so many changes after a place. */
type Read<T> = (since: Cursor, limit: number) => Changes<T>;

/** The changes of keys. */
export function keyFeed(source: FeedSource, options: ChangesOptions): ChangeFeed {
  const { bucket, prefix, ...place } = options ?? {};
  const read: Read<Change> = (since, limit) =>
    source.store.call(() => {
      if (bucket !== undefined) toBucketName(bucket);
      const { prefix: keys = new Uint8Array() } = prefix === undefined ? {} : toEnds({ prefix });
      return source.session().changes(bucket, keys, since, limit) as Changes<Change>;
    });
  return new PageChangeFeed(source, read, place);
}

/** The changes of a table that a query selects. */
export function tableFeed<R>(
  source: FeedSource,
  table: string,
  parameters: Parameter[],
  options: FeedOptions,
): ChangeFeed<TableEvent<R>> {
  const given = parameters.flat();
  const read: Read<TableEvent<R>> = (since, limit) => {
    checkTexts([table, ...given]);
    return inTables(source, (session) => session.tableChanges(table, given, since, limit) as Changes<TableEvent<R>>);
  };
  return new PageChangeFeed(source, read, options);
}

/** Follows the commits of the page's store, from the place that is determined at construction. */
class PageChangeFeed<T> implements ChangeFeed<T> {
  readonly ready: Promise<void>;
  readonly #changes: AsyncGenerator<T, undefined>;
  readonly #ended = new AbortController();

  constructor(source: FeedSource, read: Read<T>, options: FeedOptions) {
    for (const signal of [options.signal, source.closed]) {
      if (signal?.aborted) this.#ended.abort();
      signal?.addEventListener('abort', () => this.#ended.abort(), { once: true, signal: this.#ended.signal });
    }
    // Begun at construction, so that commits before the first `next` are not missed.
    const begun = begin(read, options.since);
    this.ready = begun.then(() => undefined);
    // A failure also rejects `next`: nobody has to wait for `ready`.
    this.ready.catch(() => undefined);
    this.#changes = follow(source, read, begun, this.#ended.signal);
  }

  next(): Promise<IteratorResult<T>> {
    return this.#changes.next();
  }

  /** Also ends a `next` that waits. */
  async return(): Promise<IteratorResult<T>> {
    this.#ended.abort();
    return this.#changes.return(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** The place to begin at, which is read at once. A first read shows what is wrong with the request. */
async function begin<T>(read: Read<T>, given: Cursor | undefined): Promise<Cursor> {
  const since = toSince(given) ?? 'now';
  const { cursor } = read(since, 1);
  return since === 'now' ? cursor : since;
}

async function* follow<T>(
  source: FeedSource,
  read: Read<T>,
  begun: Promise<Cursor>,
  ended: AbortSignal,
): AsyncGenerator<T, undefined> {
  let cursor = await begun;
  while (!ended.aborted) {
    // Taken before the read: what is committed after it, also while a change is with the caller, must end the wait below.
    const seen = source.version();
    const page = read(cursor, PAGE_CHANGES);
    cursor = page.cursor;
    for (const change of page.items) {
      if (ended.aborted) return;
      yield change;
    }
    if (page.atEnd) await source.commitAfter(seen, ended);
  }
  return undefined;
}
