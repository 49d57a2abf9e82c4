import {
  type Applied,
  type Bytes,
  type BytesLike,
  type Counted,
  type Deleted,
  type DeletedKeys,
  entries,
  type Entry,
  type Expect,
  getJson,
  type KeyPage,
  type Kv,
  type Operation,
  type Outcome,
  type Page,
  type ScanOptions,
  setJson,
  type SetOptions,
  type Span,
  type Written,
} from '../client.js';
import { Bucket, type Target } from './bucket.js';

/** The interface's promises over a store that never waits: `async` turns exceptions into rejections. */
export class PageKv implements Kv {
  readonly #bucket: Bucket;

  constructor(target: Target, name: string) {
    this.#bucket = new Bucket(target, name);
  }

  get bucket(): string {
    return this.#bucket.name;
  }

  async get(key: BytesLike): Promise<Bytes | null> {
    return this.#bucket.get(key);
  }

  async getEntry(key: BytesLike): Promise<Entry | null> {
    return this.#bucket.getEntry(key);
  }

  async getMany(keys: BytesLike[]): Promise<(Bytes | null)[]> {
    return this.#bucket.getMany(keys);
  }

  async set(key: BytesLike, value: BytesLike): Promise<Written> {
    return this.#bucket.set(key, value);
  }

  async setWith(key: BytesLike, value: BytesLike, options: SetOptions): Promise<Outcome> {
    return this.#bucket.setWith(key, value, options);
  }

  setJson(key: BytesLike, value: unknown, options?: Omit<SetOptions, 'mediaType'>): Promise<Outcome> {
    return setJson(this, key, value, options);
  }

  getJson<T>(key: BytesLike): Promise<T | null> {
    return getJson<T>(this, key);
  }

  async delete(key: BytesLike): Promise<Deleted> {
    return this.#bucket.delete(key);
  }

  async deleteIf(key: BytesLike, expect: Expect): Promise<Outcome> {
    return this.#bucket.deleteIf(key, expect);
  }

  async increment(key: BytesLike, by?: bigint | number): Promise<Counted> {
    return this.#bucket.increment(key, by);
  }

  async scan(options?: ScanOptions): Promise<Page> {
    return this.#bucket.scan(options);
  }

  async scanKeys(options?: ScanOptions): Promise<KeyPage> {
    return this.#bucket.scanKeys(options);
  }

  entries(options?: ScanOptions): AsyncIterableIterator<Entry> {
    return entries(this, options);
  }

  async count(span?: Span): Promise<number> {
    return this.#bucket.count(span);
  }

  async deleteSpan(span: Span): Promise<DeletedKeys> {
    return this.#bucket.deleteSpan(span);
  }

  async apply(operations: Operation[]): Promise<Applied> {
    return this.#bucket.apply(operations);
  }
}
