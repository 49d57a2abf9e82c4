import type { Change, ChangeFeed, ChangesOptions, Cursor } from '../api.js';
import { toBucketName } from '../arguments.js';
import { toBytes } from '../bytes.js';
import { MantisError } from '../errors.js';
import type { Client } from './client.js';
import { kindOf } from './codes.js';
import { readEvents } from './events.js';
import { fromJsonBytes, fromJsonTime, fromJsonVersion, type JsonBytes } from './json.js';

/** The pause between attempts to reach a server after the connection was lost. */
const RETRY_MS = 1_000;

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

/** Follows a server's changes. Opens a broken connection again and continues after the last change. */
export class HttpChangeFeed implements ChangeFeed {
  readonly ready: Promise<void>;
  readonly #changes: AsyncGenerator<Change, undefined>;
  readonly #ended = new AbortController();
  /** The first change, or the end: requested at construction, and returned by the first `next`. */
  #first: Promise<IteratorResult<Change>> | null;

  constructor(client: Client, options: ChangesOptions, closed: AbortSignal) {
    for (const signal of [options.signal, closed]) {
      if (signal?.aborted) this.#ended.abort();
      signal?.addEventListener('abort', () => this.#ended.abort(), { once: true, signal: this.#ended.signal });
    }
    let followed!: () => void;
    let failed!: (error: unknown) => void;
    this.ready = new Promise((resolve, reject) => {
      followed = resolve;
      failed = reject;
    });
    this.#changes = follow(client, options, this.#ended.signal, followed);
    // Requested at once, so that the connection does not wait for the first `next`.
    this.#first = this.#changes.next();
    this.#first.then(followed, failed);
    // A failure also rejects `next`: nobody has to wait for `ready`.
    this.ready.catch(() => undefined);
  }

  next(): Promise<IteratorResult<Change>> {
    const first = this.#first;
    this.#first = null;
    return first ?? this.#changes.next();
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

async function* follow(
  client: Client,
  options: ChangesOptions,
  ended: AbortSignal,
  followed: () => void,
): AsyncGenerator<Change, undefined> {
  const query = {
    bucket: options.bucket === undefined ? undefined : toBucketName(options.bucket),
    prefix: options.prefix === undefined ? undefined : toBytes(options.prefix),
    since: options.since,
    values: 'true',
  };
  let cursor: Cursor | undefined;
  while (!ended.aborted) {
    try {
      const headers = { accept: 'text/event-stream', 'last-event-id': cursor };
      const response = await client.send({ method: 'GET', path: '/changes', query, headers, signal: ended });
      if (response.body === null) return undefined;
      for await (const { id, event, data } of readEvents(response.body)) {
        if (id !== null) cursor = id;
        if (event === 'error' && data !== null) throw toError(data);
        followed();
        if ((event === 'put' || event === 'delete') && data !== null) yield toChange(JSON.parse(data) as JsonChange);
      }
    } catch (error) {
      if (ended.aborted) return undefined;
      // The first attempt must succeed: before that the address may be wrong.
      if (cursor === undefined || !isPassing(error)) throw error;
    }
    await pause(RETRY_MS, ended);
  }
  return undefined;
}

/** Whether the server may answer again soon: it was unreachable, or overloaded. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof MantisError)) return true;
  return ['unreachable', 'streams-too-many', 'overloaded', 'shutting-down'].includes(error.code);
}

function toError(data: string): MantisError {
  const { code, message } = JSON.parse(data) as { code: string; message: string };
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

function pause(ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    ended.addEventListener('abort', done);
    function done(): void {
      clearTimeout(timer);
      ended.removeEventListener('abort', done);
      resolve();
    }
  });
}
