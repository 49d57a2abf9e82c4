import type {
  Applied,
  Bytes,
  BytesLike,
  Counted,
  Deleted,
  DeletedKeys,
  Entry,
  Expect,
  KeyPage,
  Kv,
  Operation,
  Outcome,
  Page,
  Refusal,
  ScanOptions,
  SetOptions,
  Span,
  Written,
} from '../api.js';
import {
  checkKeys,
  toBucketName,
  toEnds,
  toExpectation,
  toInteger,
  toKey,
  toMediaType,
  toScan,
  toTtlMs,
} from '../arguments.js';
import { toBytes } from '../bytes.js';
import { entries } from '../entries.js';
import { MantisError, causeOf, rejectCleanly } from '../errors.js';
import { getJson, setJson } from '../json.js';
import {
  MEDIA_TYPE,
  fromResult,
  toBatch,
  toReads,
  type JsonRefusal,
  type JsonResult,
  type JsonResults,
} from './batch.js';
import { percentEncode, toWritten, type Answer, type ApiRequest, type Client } from './client.js';
import { fromJsonBytes, fromJsonEntry, type JsonBytes, type JsonEntry } from './json.js';

/** Keys of a page that is only counted or deleted. */
const PAGE_KEYS = 1_000;

/** The transaction that requests belong to, if any. Throws if it has ended. */
export type TransactionId = () => string | undefined;

/** One bucket on a server. */
export class HttpKv implements Kv {
  readonly bucket: string;
  readonly #client: Client;
  readonly #transaction: TransactionId;

  constructor(client: Client, bucket: string, transaction: TransactionId) {
    this.#client = client;
    this.bucket = bucket;
    this.#transaction = transaction;
  }

  async get(key: BytesLike): Promise<Bytes | null> {
    const path = this.#pathOf(toKey(key));
    if (path === null) return (await this.getEntry(key))?.value ?? null;
    try {
      return (await this.#send({ method: 'GET', path, query: { raw: 'true' } })).bytes;
    } catch (error) {
      if (isCode(error, 'key-not-found')) return null;
      throw error;
    }
  }

  async getEntry(key: BytesLike): Promise<Entry | null> {
    const applied = await this.apply([{ op: 'get', key }]);
    const result = applied.committed ? applied.results[0] : undefined;
    return result?.op === 'get' ? result.entry : null;
  }

  async getMany(keys: BytesLike[]): Promise<(Bytes | null)[]> {
    checkKeys(keys);
    const request: ApiRequest = { method: 'POST', path: this.#path(), body: toReads(keys) };
    const { results } = await this.#json<JsonResults>(request);
    return keys.map((_, index) => {
      const value = results[index]?.value;
      return value == null ? null : fromJsonBytes(value);
    });
  }

  async set(key: BytesLike, value: BytesLike): Promise<Written> {
    const outcome = await this.setWith(key, value, {});
    if (outcome.written) return { version: outcome.version, durable: outcome.durable };
    throw new MantisError('conflict', 'conflict', 'a write without a condition was refused');
  }

  async setWith(key: BytesLike, value: BytesLike, options: SetOptions): Promise<Outcome> {
    const place = toKey(key);
    const path = this.#pathOf(place);
    const condition = toHeaders(options.expect);
    const ttlMs = toTtlMs(options);
    const mediaType = toMediaType(options.mediaType) ?? MEDIA_TYPE;
    // `fetch` may rewrite a Content-Type that it can parse: an unusual one is sent unchanged in a batch.
    if (path === null || !/^[a-z]+\/[a-z0-9.+-]+$/.test(mediaType))
      return this.#writeInBatch({ op: 'set', key, value, ...options });
    try {
      const answer = await this.#send({
        method: 'PUT',
        path,
        query: { raw: 'true', ttl_ms: ttlMs === undefined ? undefined : String(ttlMs) },
        headers: { ...condition, 'content-type': mediaType },
        body: toBytes(value),
      });
      return { written: true, ...toWritten(answer) };
    } catch (error) {
      if (isCode(error, 'precondition-failed')) return { written: false, current: await this.getEntry(key) };
      throw error;
    }
  }

  setJson(key: BytesLike, value: unknown, options?: Omit<SetOptions, 'mediaType'>): Promise<Outcome> {
    return setJson(this, key, value, options);
  }

  getJson<T>(key: BytesLike): Promise<T | null> {
    return getJson<T>(this, key);
  }

  async delete(key: BytesLike): Promise<Deleted> {
    const path = this.#pathOf(toKey(key));
    if (path === null) {
      const { keys, ...written } = await this.#deleteInBatch({ op: 'delete', key });
      return { existed: keys > 0, ...written };
    }
    // A missing key is an error there, whose answer also has a version.
    const { answer, error } = await this.#client.attempt(this.#within({ method: 'DELETE', path }));
    if (error !== null && error.code !== 'key-not-found') throw error;
    return { existed: error === null, ...toWritten(answer) };
  }

  async deleteIf(key: BytesLike, expect: Expect): Promise<Outcome> {
    return this.#writeInBatch({ op: 'delete', key, expect });
  }

  async increment(key: BytesLike, by?: bigint | number): Promise<Counted> {
    const applied = await this.apply([{ op: 'increment', key, by: toInteger(by) }]);
    const result = applied.committed ? applied.results[0] : undefined;
    if (applied.committed && result?.op === 'increment') {
      return { number: result.number, version: applied.version, durable: applied.durable };
    }
    throw new MantisError('conflict', 'conflict', 'a write without a condition was refused');
  }

  async scan(options: ScanOptions = {}): Promise<Page> {
    const page = await this.#list<{ entries: JsonEntry[]; cursor: string | null }>(options, true);
    return { entries: page.entries.map(fromJsonEntry), cursor: page.cursor };
  }

  async scanKeys(options: ScanOptions = {}): Promise<KeyPage> {
    const page = await this.#list<{ keys: JsonBytes[]; cursor: string | null }>(options, false);
    return { keys: page.keys.map(fromJsonBytes), cursor: page.cursor };
  }

  entries(options?: ScanOptions): AsyncIterableIterator<Entry> {
    return entries(this, options);
  }

  /** Over HTTP the count transfers all keys. */
  async count(span: Span = {}): Promise<number> {
    let count = 0;
    let cursor: string | null = null;
    do {
      const page: KeyPage = await this.scanKeys({ ...span, limit: PAGE_KEYS, cursor });
      count += page.keys.length;
      cursor = page.cursor;
    } while (cursor !== null);
    return count;
  }

  async deleteSpan(span: Span): Promise<DeletedKeys> {
    const { prefix, start, end } = toEnds(span);
    if (start === undefined && end === undefined) {
      const query = prefix === undefined || prefix.length === 0 ? { all: 'true' } : { prefix };
      const request: ApiRequest = { method: 'DELETE', path: this.#path(), query };
      const { body, written } = await this.#client.written<{ deleted: number }>(this.#within(request));
      return { keys: body.deleted, ...written };
    }
    return this.#deleteBetween(start, end);
  }

  async apply(operations: Operation[]): Promise<Applied> {
    const request: ApiRequest = {
      method: 'POST',
      path: this.#path(),
      query: { details: 'true', numbers: 'string' },
      body: toBatch(operations),
    };
    try {
      const { body, written } = await this.#client.written<JsonResults>(this.#within(request));
      return {
        committed: true,
        ...written,
        results: operations.map((operation, index) => fromResult(operation, body.results[index] as JsonResult)),
      };
    } catch (error) {
      if (!isCode(error, 'check-failed')) throw error;
      const named = (causeOf(error as MantisError) as { operations?: JsonRefusal[] }).operations ?? [];
      return { committed: false, refusals: await this.#look(operations, named) };
    }
  }

  /** The entries of keys whose conditions did not hold: read afterwards, so possibly newer. */
  #look(operations: Operation[], named: JsonRefusal[]): Promise<Refusal[]> {
    return Promise.all(
      named.map(async ({ index }) => {
        const operation = operations[index];
        const key = operation !== undefined && 'key' in operation ? operation.key : undefined;
        return { index, current: key === undefined ? null : await this.getEntry(key) };
      }),
    );
  }

  async #writeInBatch(operation: Operation): Promise<Outcome> {
    const applied = await this.apply([operation]);
    if (applied.committed) return { written: true, version: applied.version, durable: applied.durable };
    return { written: false, current: applied.refusals[0]?.current ?? null };
  }

  /** Deletes unconditionally. */
  async #deleteInBatch(operation: Operation): Promise<DeletedKeys> {
    const applied = await this.apply([operation]);
    if (!applied.committed) throw new MantisError('conflict', 'conflict', 'a write without a condition was refused');
    const result = applied.results[0];
    const keys = result !== undefined && 'deleted' in result ? result.deleted : 0;
    return { keys, version: applied.version, durable: applied.durable };
  }

  /** Deletes page by page, so that other writers do not wait; in a transaction that makes no difference. */
  async #deleteBetween(start: Uint8Array | undefined, end: Uint8Array | undefined): Promise<DeletedKeys> {
    let deleted = null as DeletedKeys | null;
    let from = start;
    for (;;) {
      const rest = { ...(from === undefined ? {} : { start: from }), ...(end === undefined ? {} : { end }) };
      const { keys, cursor } = await this.scanKeys({ ...rest, limit: PAGE_KEYS });
      const last = keys.at(-1);
      // A deletion of nothing is sent too: its answer has the newest version.
      if (last === undefined) return deleted ?? this.#deleteInBatch({ op: 'delete-span', span: rest });
      const behind = Uint8Array.of(...last, 0);
      const these: DeletedKeys = await this.#deleteInBatch({ op: 'delete-span', span: { ...rest, end: behind } });
      deleted = { ...these, keys: these.keys + (deleted?.keys ?? 0) };
      if (cursor === null) return deleted;
      from = behind;
    }
  }

  #list<T>(options: ScanOptions, values: boolean): Promise<T> {
    const { ends, reverse, limit, cursor } = toScan(options);
    const query = {
      ...ends,
      reverse: reverse ? 'true' : undefined,
      limit: String(limit),
      cursor: cursor ?? undefined,
      values: values ? 'true' : undefined,
      details: values ? 'true' : undefined,
    };
    return this.#json<T>({ method: 'GET', path: this.#path(), query });
  }

  async #send(request: ApiRequest): Promise<Answer> {
    return this.#client.send(this.#within(request));
  }

  async #json<T>(request: ApiRequest): Promise<T> {
    return this.#client.json<T>(this.#within(request));
  }

  /** The request with the header of its transaction, if there is one. */
  #within(request: ApiRequest): ApiRequest {
    return { ...request, headers: { 'mantisdb-transaction': this.#transaction(), ...request.headers } };
  }

  #path(): string {
    return this.bucket === 'default' ? '/kv' : `/buckets/${toBucketName(this.bucket)}/kv`;
  }

  /** The path of a key; null for the keys `.` and `..`, which are relative segments in a URL. */
  #pathOf(key: Uint8Array): string | null {
    const encoded = percentEncode(key);
    return /^(%2E){1,2}$/.test(encoded) ? null : `${this.#path()}/${encoded}`;
  }
}

rejectCleanly(HttpKv);

function isCode(error: unknown, code: string): boolean {
  return MantisError.is(error) && error.code === code;
}

/** The headers of a conditional request. */
function toHeaders(expect: Expect | undefined): Record<string, string | undefined> {
  const { name, version } = toExpectation(expect);
  switch (name) {
    case 'absent':
      return { 'if-none-match': '*' };
    case 'present':
      return { 'if-match': '*' };
    case 'version':
      return { 'if-match': `"v${version}"` };
    default:
      return {};
  }
}
