import type { Change, ChangeFeed, ChangesOptions, Cursor } from '../api.js';
import { toBucketName } from '../arguments.js';
import { toBytes } from '../bytes.js';
import { call, type RawSession } from './raw.js';

/** Changes of one read from the store. */
const PAGE_CHANGES = 100;

/** The part of the database that the feed uses. */
export interface FeedSource {
  session(): RawSession;
  /** Aborted when the database is closed, which ends feeds. */
  readonly closed: AbortSignal;
  /** Resolves after the next commit, or when `signal` is aborted. */
  nextCommit(signal: AbortSignal): Promise<void>;
}

interface RawChanges {
  items: Change[];
  cursor: Cursor;
  atEnd: boolean;
}

/** Follows the commits of the page's store, from the place that is determined at construction. */
export class PageChangeFeed implements ChangeFeed {
  readonly ready = Promise.resolve();
  readonly #changes: AsyncGenerator<Change, undefined>;
  readonly #ended = new AbortController();

  constructor(source: FeedSource, options: ChangesOptions) {
    for (const signal of [options.signal, source.closed]) {
      if (signal?.aborted) this.#ended.abort();
      signal?.addEventListener('abort', () => this.#ended.abort(), { once: true, signal: this.#ended.signal });
    }
    this.#changes = follow(source, options, this.#ended.signal);
  }

  next(): Promise<IteratorResult<Change>> {
    return this.#changes.next();
  }

  /** Also ends a `next` that waits. */
  async return(): Promise<IteratorResult<Change>> {
    this.#ended.abort();
    return this.#changes.return(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function follow(source: FeedSource, options: ChangesOptions, ended: AbortSignal): AsyncGenerator<Change, undefined> {
  const prefix = options.prefix === undefined ? new Uint8Array() : toBytes(options.prefix);
  const read = (since: Cursor, limit: number) =>
    call(() => source.session().changes(options.bucket, prefix, since, limit) as RawChanges);
  if (options.bucket !== undefined) toBucketName(options.bucket);
  const since = options.since ?? 'now';
  // Read at construction, so that commits before the first `next` are not missed.
  const begin = since === 'now' ? read('now', 1).cursor : since;
  return (async function* () {
    let cursor = begin;
    while (!ended.aborted) {
      const page = read(cursor, PAGE_CHANGES);
      cursor = page.cursor;
      for (const change of page.items) {
        if (ended.aborted) return;
        yield change;
      }
      if (page.atEnd) await source.nextCommit(ended);
    }
    return undefined;
  })();
}
