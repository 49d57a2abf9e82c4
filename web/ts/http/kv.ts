import type {
  Applied,
  BytesLike,
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
  Version,
} from '../api.js';
import { toBucketName, toEnds, toExpectation, toInteger, toKeys, toScan, toTtlMs } from '../arguments.js';
import { toBytes } from '../bytes.js';
import { entries } from '../entries.js';
import { MantisError, invalid } from '../errors.js';
import { fromResult, toBatch, type JsonRefusal, type JsonResult, type JsonResults } from './batch.js';
import { percentEncode, type ApiRequest, type Client } from './client.js';
import { fromJsonBytes, fromJsonEntry, fromJsonVersion, type JsonBytes, type JsonEntry } from './json.js';

const MEDIA_TYPE = 'application/octet-stream';
/** Keys of a page that only counts or deletes. */
const PAGE_KEYS = 1_000;

/** The transaction that requests belong to, if any. Throws when it has ended. */
export type TransactionId = () => string | undefined;

/** One bucket of a server. */
export class HttpKv implements Kv {
  readonly bucket: string;
  readonly #client: Client;
  readonly #transaction: TransactionId;

  constructor(client: Client, bucket: string, transaction: TransactionId) {
    this.#client = client;
    this.bucket = bucket;
    this.#transaction = transaction;
  }

  async get(key: BytesLike): Promise<Uint8Array | null> {
    const path = this.#pathOf(toBytes(key));
    if (path === null) return (await this.getEntry(key))?.value ?? null;
    try {
      const response = await this.#send({ method: 'GET', path, query: { raw: 'true' } });
      return new Uint8Array(await response.arrayBuffer());
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

  async getMany(keys: BytesLike[]): Promise<(Uint8Array | null)[]> {
    const applied = await this.apply(toKeys(keys).map((key) => ({ op: 'get', key })));
    if (!applied.committed) return [];
    return applied.results.map((result) => (result.op === 'get' ? (result.entry?.value ?? null) : null));
  }

  async set(key: BytesLike, value: BytesLike): Promise<Version> {
    const outcome = await this.setWith(key, value, {});
    if (outcome.written) return outcome.version;
    throw new MantisError('conflict', 'conflict', 'a write without a condition was refused');
  }

  async setWith(key: BytesLike, value: BytesLike, options: SetOptions): Promise<Outcome> {
    const place = toBytes(key);
    const path = this.#pathOf(place);
    const condition = toHeaders(options.expect);
    const ttlMs = toTtlMs(options);
    const mediaType = options.mediaType ?? MEDIA_TYPE;
    // `fetch` may change a Content-Type that it can read: one that is out of the ordinary goes in a batch, as it is.
    if (path === null || !/^[a-z]+\/[a-z0-9.+-]+$/.test(mediaType))
      return this.#writeInBatch({ op: 'set', key, value, ...options });
    try {
      const response = await this.#send({
        method: 'PUT',
        path,
        query: { raw: 'true', ttl_ms: ttlMs === undefined ? undefined : String(ttlMs) },
        headers: { ...condition, 'content-type': mediaType },
        body: toBytes(value),
      });
      return { written: true, version: toVersion(response.headers.get('etag')) };
    } catch (error) {
      if (isCode(error, 'precondition-failed')) return { written: false, current: await this.getEntry(key) };
      throw error;
    }
  }

  async delete(key: BytesLike): Promise<boolean> {
    const path = this.#pathOf(toBytes(key));
    if (path === null) return (await this.#deleteInBatch(key, 'anything')).deleted > 0;
    try {
      await this.#send({ method: 'DELETE', path });
      return true;
    } catch (error) {
      if (isCode(error, 'key-not-found')) return false;
      throw error;
    }
  }

  async deleteIf(key: BytesLike, expect: Expect): Promise<Outcome> {
    return (await this.#deleteInBatch(key, expect)).outcome;
  }

  async increment(key: BytesLike, by?: bigint | number): Promise<bigint> {
    const applied = await this.apply([{ op: 'increment', key, by: toInteger(by) }]);
    const result = applied.committed ? applied.results[0] : undefined;
    if (result?.op === 'increment') return result.number;
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

  /** Over HTTP all keys come along to be counted. */
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

  async deleteSpan(span: Span): Promise<number> {
    const { prefix, start, end } = toEnds(span);
    if (start === undefined && end === undefined) {
      const query = prefix === undefined || prefix.length === 0 ? { all: 'true' } : { prefix };
      const { deleted } = await this.#json<{ deleted: number }>({ method: 'DELETE', path: this.#path(), query });
      return deleted;
    }
    return this.#deleteBetween(start, end);
  }

  async apply(operations: Operation[]): Promise<Applied> {
    const request: ApiRequest = {
      method: 'POST',
      path: this.#path(),
      query: { details: 'true' },
      body: toBatch(operations),
    };
    try {
      const { results, version } = await this.#json<JsonResults>(request);
      return {
        committed: true,
        version: fromJsonVersion(version),
        results: operations.map((operation, index) => fromResult(operation, results[index] as JsonResult)),
      };
    } catch (error) {
      if (!isCode(error, 'check-failed')) throw error;
      const named = ((error as MantisError).cause as { operations?: JsonRefusal[] }).operations ?? [];
      return { committed: false, refusals: await this.#look(operations, named) };
    }
  }

  /** What the keys hold whose operations refused: asked for afterwards, and so perhaps newer. */
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
    if (applied.committed) return { written: true, version: applied.version };
    return { written: false, current: applied.refusals[0]?.current ?? null };
  }

  async #deleteInBatch(key: BytesLike, expect: Expect): Promise<{ outcome: Outcome; deleted: number }> {
    const applied = await this.apply([{ op: 'delete', key, expect }]);
    if (!applied.committed) {
      return { outcome: { written: false, current: applied.refusals[0]?.current ?? null }, deleted: 0 };
    }
    const result = applied.results[0];
    const deleted = result?.op === 'delete' ? result.deleted : 0;
    return { outcome: { written: true, version: applied.version }, deleted };
  }

  /** A page at a time, so that other writers are not held up; in a transaction it is all the same. */
  async #deleteBetween(start: Uint8Array | undefined, end: Uint8Array | undefined): Promise<number> {
    let deleted = 0;
    let from = start;
    for (;;) {
      const rest = { ...(from === undefined ? {} : { start: from }), ...(end === undefined ? {} : { end }) };
      const { keys, cursor } = await this.scanKeys({ ...rest, limit: PAGE_KEYS });
      const last = keys.at(-1);
      if (last === undefined) return deleted;
      const behind = Uint8Array.of(...last, 0);
      const applied = await this.apply([{ op: 'delete-span', span: { ...rest, end: behind } }]);
      const result = applied.committed ? applied.results[0] : undefined;
      deleted += result?.op === 'delete-span' ? result.deleted : 0;
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

  async #send(request: ApiRequest): Promise<Response> {
    const headers = { 'mantisdb-transaction': this.#transaction(), ...request.headers };
    return this.#client.send({ ...request, headers });
  }

  async #json<T>(request: ApiRequest): Promise<T> {
    return this.#client.json<T>({ ...request, headers: { 'mantisdb-transaction': this.#transaction() } });
  }

  #path(): string {
    return this.bucket === 'default' ? '/kv' : `/buckets/${toBucketName(this.bucket)}/kv`;
  }

  /** The path of a key; null for the two keys that no address can name, because they mean folders there. */
  #pathOf(key: Uint8Array): string | null {
    if (key.length === 0) throw invalid('key-empty', 'A key has at least one byte.');
    const encoded = percentEncode(key);
    return /^(%2E){1,2}$/.test(encoded) ? null : `${this.#path()}/${encoded}`;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof MantisError && error.code === code;
}

/** An expectation as a conditional request. */
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

/** `"v7"`; what is not committed has none. */
function toVersion(etag: string | null): Version {
  return BigInt(/^"v([0-9]+)"$/.exec(etag ?? '')?.[1] ?? 0);
}
