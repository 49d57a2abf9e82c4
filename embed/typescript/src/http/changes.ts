import type { Change, ChangeFeed, ChangesOptions, Cursor, FeedOptions } from '../api.js';
import { toBucketName, toEnds, toSince } from '../arguments.js';
import { MantisError, closed, isTableCode, tableError, toMantisError } from '../errors.js';
import type { TableDefinition, TableEvent } from '../tables/api.js';
import { checkTexts, grouped, type Parameter } from '../tables/dialect.js';
import type { Client } from './client.js';
import { kindOf } from './codes.js';
import { readEvents } from './events.js';
import { fromJsonBytes, fromJsonTime, fromJsonVersion, type JsonBytes } from './json.js';
import { memberTexts } from './texts.js';
import { pause } from '../turns.js';

/** The longest pause before a lost connection is opened again; it doubles with each attempt that fails. */
const RETRY_MS = 1_000;
/** The longest pause of all. */
const RETRY_MS_MAX = 15_000;
/** Three signs of life that did not come. */
const SILENCE_MS = 45_000;

interface JsonChange {
  kind: 'put' | 'delete';
  bucket: string;
  key: JsonBytes;
  value?: JsonBytes;
  media_type?: string;
  version: string;
  previous_version: string | null;
  time: string;
  expires_at: string | null;
  cursor: Cursor;
}

/** The members of every change of a table. */
interface JsonTableEvent {
  table: string;
  schema_version: number;
  version: string;
  previous_version: string | null;
  time: string;
  cursor: Cursor;
}

type JsonRowChange<R> = JsonTableEvent & {
  kind: 'insert' | 'update' | 'delete';
  key: { [column: string]: unknown } | null;
  row: R | null;
  old: R | null;
  matches: { old: boolean | null; new: boolean };
};

type JsonTableChange = JsonTableEvent & { kind: 'create' | 'alter' | 'drop'; schema: TableDefinition | null };

/** Parameters of the feed itself, which no column's filter can have as its name. */
const OWN = /^(bucket|prefix|table|filters|since|wait|values|progress|encoding)$/;

/** What a feed asks for, and what it makes of an event; of one that is none of its own, undefined. */
interface Feed<T> {
  query(): [name: string, value: string | Uint8Array][];
  read(kind: string, data: string): T | undefined;
}

/** The changes of keys. */
export function keyFeed(client: Client, options: ChangesOptions): ChangeFeed {
  const { bucket, prefix, ...place } = options ?? {};
  const query = (): ReturnType<Feed<Change>['query']> => [
    ['values', 'true'],
    ...(bucket === undefined ? [] : ([['bucket', toBucketName(bucket)]] as [[string, string]])),
    ...(prefix === undefined ? [] : ([['prefix', toEnds({ prefix }).prefix]] as [[string, Uint8Array]])),
  ];
  const read = (kind: string, data: string) =>
    kind === 'put' || kind === 'delete' ? toChange(JSON.parse(data) as JsonChange) : undefined;
  return new HttpChangeFeed(client, { query, read }, place);
}

/** The changes of a table that a query selects. */
export function tableFeed<R>(
  client: Client,
  table: string,
  parameters: Parameter[],
  options: FeedOptions,
): ChangeFeed<TableEvent<R>> {
  const filters = parameters.map((one): Parameter => (OWN.test(one[0]) ? ['and', `(${grouped(one)})`] : one));
  const query = (): [string, string][] => {
    checkTexts([table, ...parameters.flat()]);
    return [['table', table], ...filters];
  };
  const read = (_: string, data: string) => toTableEvent<R>(data);
  return new HttpChangeFeed(client, { query, read }, options);
}

/** Follows a server's changes. Opens a broken connection again and continues after the last change. */
class HttpChangeFeed<T> implements ChangeFeed<T> {
  readonly ready: Promise<void>;
  readonly #changes: AsyncGenerator<T, undefined>;
  readonly #ended = new AbortController();
  /** The first change, or the end: requested at construction, and returned by the first `next`. */
  #first: Promise<IteratorResult<T>> | null;

  constructor(client: Client, feed: Feed<T>, options: FeedOptions) {
    const wasClosed = client.closed.aborted;
    for (const signal of [options.signal, client.signal, client.closed]) {
      if (signal?.aborted) this.#ended.abort();
      signal?.addEventListener('abort', () => this.#ended.abort(), { once: true, signal: this.#ended.signal });
    }
    let followed!: () => void;
    let failed!: (error: unknown) => void;
    this.ready = new Promise((resolve, reject) => {
      followed = resolve;
      failed = reject;
    });
    this.#changes = follow(client, feed, options.since, this.#ended.signal, followed);
    // Requested at once, so that the connection does not wait for the first `next`.
    this.#first = wasClosed ? Promise.reject(closed()) : clean(this.#changes.next());
    this.#first.then(followed, failed);
    // A failure also rejects `next`: nobody has to wait for `ready`.
    this.ready.catch(() => undefined);
  }

  next(): Promise<IteratorResult<T>> {
    const first = this.#first;
    this.#first = null;
    return first ?? clean(this.#changes.next());
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

/** What goes wrong with a feed is a `MantisError`, too. */
async function clean<T>(next: Promise<T>): Promise<T> {
  try {
    return await next;
  } catch (thrown) {
    throw toMantisError(thrown);
  }
}

async function* follow<T>(
  client: Client,
  feed: Feed<T>,
  since: Cursor | undefined,
  ended: AbortSignal,
  followed: () => void,
): AsyncGenerator<T, undefined> {
  const from = toSince(since);
  const query = [...feed.query(), ...(from === undefined ? [] : ([['since', from]] as [[string, string]]))];
  let cursor: Cursor | undefined;
  let failures = 0;
  while (!ended.aborted) {
    try {
      const headers = { accept: 'text/event-stream', 'last-event-id': cursor };
      const { body, release } = await client.stream({ method: 'GET', path: '/changes', query, headers, signal: ended });
      try {
        for await (const { id, event, data } of readEvents(body, client.feedSilenceMs ?? SILENCE_MS)) {
          failures = 0;
          if (id !== null) cursor = id;
          if (event === 'error' && data !== null) throw toError(data);
          followed();
          const change = data === null ? undefined : feed.read(event, data);
          if (change !== undefined) yield change;
        }
      } finally {
        release();
      }
    } catch (error) {
      if (ended.aborted) return undefined;
      // The first attempt must succeed: before that the address may be wrong.
      if (cursor === undefined || !isPassing(error)) throw error;
    }
    const longest = Math.min(RETRY_MS * 2 ** failures++, RETRY_MS_MAX);
    // Of random length, so that those who follow a server do not all come back at once.
    await pause(longest * (0.5 + Math.random() / 2), ended);
  }
  return undefined;
}

/** Whether the server may answer again soon: it was unreachable, or overloaded. */
function isPassing(error: unknown): boolean {
  if (!MantisError.is(error)) return true;
  return [
    'unreachable',
    'timed-out',
    'streams-too-many',
    'overloaded',
    'shutting-down',
    'connections-too-many',
  ].includes(error.code);
}

function toError(data: string): MantisError {
  const { code, message } = JSON.parse(data) as { code: string; message: string };
  if (isTableCode(code)) return tableError({ code, message });
  return new MantisError(code, kindOf(code, 0), message);
}

function toChange(change: JsonChange): Change {
  return {
    kind: change.kind,
    bucket: change.bucket,
    key: fromJsonBytes(change.key),
    value: change.value === undefined ? null : fromJsonBytes(change.value),
    mediaType: change.media_type ?? null,
    expiresAtMs: change.expires_at === null ? null : fromJsonTime(change.expires_at),
    version: fromJsonVersion(change.version),
    previousVersion: change.previous_version === null ? null : BigInt(change.previous_version),
    timeMs: fromJsonTime(change.time),
    cursor: change.cursor,
  };
}

function toTableEvent<R>(data: string): TableEvent<R> {
  const change = JSON.parse(data) as JsonRowChange<R> | JsonTableChange;
  const shared = {
    table: change.table,
    schemaVersion: change.schema_version,
    version: fromJsonVersion(change.version),
    previousVersion: change.previous_version === null ? null : BigInt(change.previous_version),
    timeMs: fromJsonTime(change.time),
    cursor: change.cursor,
  };
  if ('schema' in change) return { kind: change.kind, schema: change.schema, ...shared };
  const { kind, key, row, old, matches } = change;
  const texts = memberTexts(data);
  const text = (name: 'key' | 'row' | 'old') => (change[name] === null ? null : (texts[name] ?? null));
  const json = { key: text('key'), row: text('row'), old: text('old') };
  return { kind, key, row, old, json, matches, ...shared } as TableEvent<R>;
}
