/** The operations on one bucket, synchronously: the common base of the asynchronous API and the plugins' imports. */

import {
  type Applied,
  type Bytes,
  type BytesLike,
  concatenate,
  type Counted,
  type Deleted,
  type DeletedKeys,
  type Entry,
  type Expect,
  fromBase64Url,
  invalid,
  type KeyPage,
  MantisError,
  type Operation,
  type OperationResult,
  type Outcome,
  type Page,
  type Refusal,
  type ScanOptions,
  type SetOptions,
  type Span,
  toBase64Url,
  toBucketName,
  toBytesWithin,
  toEnds,
  toExpectation,
  toInteger,
  toKey,
  toKeys,
  toList,
  toMediaType,
  toScan,
  toTtlMs,
  type Written,
} from '../client.js';
import type { RawBatch, RawSession, Store } from './raw.js';

/** The session of a bucket's calls, and a notice of their writes. */
export interface Target {
  readonly store: Store;
  /** The session to use. Throws if its transaction has ended. */
  session(): RawSession;
  /** Called after each write. */
  wrote(): void;
}

interface RawPage<T> {
  items: T[];
  cursor: Uint8Array | null;
}

export class Bucket {
  readonly #target: Target;
  readonly name: string;

  constructor(target: Target, name: string) {
    this.#target = target;
    this.name = name;
  }

  /** Throws if the name is invalid or the grants do not include the bucket. */
  check(): void {
    this.#read((session) => session.check(this.name));
  }

  get(key: BytesLike): Bytes | null {
    return this.#read((session) => session.get(this.name, toKey(key)) as Bytes | null);
  }

  getEntry(key: BytesLike): Entry | null {
    return this.#read((session) => session.getEntry(this.name, toKey(key)) as Entry | null);
  }

  getMany(keys: BytesLike[]): (Bytes | null)[] {
    return this.#read((session) => {
      const { bytes, lengths } = concatenate(toKeys(keys));
      return session.getMany(this.name, bytes, lengths) as (Bytes | null)[];
    });
  }

  set(key: BytesLike, value: BytesLike): Written {
    return this.#write((session) => session.set(this.name, toKey(key), admitted(session, value)) as Written);
  }

  setWith(key: BytesLike, value: BytesLike, options: SetOptions): Outcome {
    return this.#write((session) => {
      const { name, version } = toExpectation(options.expect);
      const ttlMs = toTtlMs(options);
      const mediaType = toMediaType(options.mediaType);
      const [place, bytes] = [toKey(key), admitted(session, value)];
      return session.setWith(this.name, place, bytes, mediaType, ttlMs, name, version) as Outcome;
    });
  }

  delete(key: BytesLike): Deleted {
    return this.#write((session) => session.delete(this.name, toKey(key)) as Deleted);
  }

  deleteIf(key: BytesLike, expect: Expect): Outcome {
    return this.#write((session) => {
      const { name, version } = toExpectation(expect);
      return session.deleteIf(this.name, toKey(key), name, version) as Outcome;
    });
  }

  increment(key: BytesLike, by?: bigint | number): Counted {
    return this.#write((session) => session.increment(this.name, toKey(key), toInteger(by)) as Counted);
  }

  scan(options: ScanOptions = {}): Page {
    const { items, cursor } = this.#page<Entry>('scan', options);
    return { entries: items, cursor };
  }

  scanKeys(options: ScanOptions = {}): KeyPage {
    const { items, cursor } = this.#page<Bytes>('scanKeys', options);
    return { keys: items, cursor };
  }

  count(span: Span = {}): number {
    return this.#read((session) => {
      const { prefix, start, end } = toEnds(span);
      return session.count(this.name, prefix, start, end);
    });
  }

  deleteSpan(span: Span): DeletedKeys {
    return this.#write((session) => {
      const { prefix, start, end } = toEnds(span);
      return session.deleteSpan(this.name, prefix, start, end) as DeletedKeys;
    });
  }

  apply(operations: Operation[]): Applied {
    const applied = this.#write((session) => {
      const batch = new KeyBatch(this.#target.store, session);
      try {
        for (const operation of toOperations(operations)) batch.add(operation);
      } catch (error) {
        batch.raw.free();
        throw error;
      }
      return session.apply(this.name, batch.raw) as RawApplied;
    });
    if (!applied.committed) return applied;
    const results = operations.map((operation, index) => resultOf(operation, applied.results[index]));
    return { ...applied, results };
  }

  #page<T>(method: 'scan' | 'scanKeys', options: ScanOptions): { items: T[]; cursor: string | null } {
    const page = this.#read((session) => {
      const { ends, reverse, limit, cursor } = toScan(options);
      const { prefix, start, end } = ends;
      const from = cursor === null ? undefined : cursorBytes(cursor);
      return session[method](this.name, prefix, start, end, reverse, limit, from) as RawPage<T>;
    });
    return { items: page.items, cursor: page.cursor && toBase64Url(page.cursor) };
  }

  #read<T>(work: (session: RawSession) => T): T {
    toBucketName(this.name);
    return this.#target.store.call(() => work(this.#target.session()));
  }

  #write<T>(work: (session: RawSession) => T): T {
    try {
      return this.#read(work);
    } finally {
      // Also after a failure: of several commits the first may have been made.
      this.#target.wrote();
    }
  }
}

type RawApplied = ({ committed: true; results: unknown[] } & Written) | { committed: false; refusals: Refusal[] };

function cursorBytes(cursor: string): Uint8Array {
  try {
    return fromBase64Url(cursor);
  } catch {
    throw invalid('cursor-invalid', 'The cursor was not made by this scan or feed.');
  }
}

const VALUE_BYTES_MAX = 16 << 20;
/** Bytes of keys and values of one batch. */
const BATCH_BYTES_MAX = 64 << 20;
const OPERATIONS_MAX = 10_000;
/** What may be copied into the store's memory without asking whether it has room: less than its reserve by far. */
const SMALL_BYTES = 64 << 10;

function toValue(value: BytesLike): Uint8Array<ArrayBuffer> {
  return toBytesWithin(value, VALUE_BYTES_MAX, valueTooLarge);
}

function valueTooLarge(bytes: string): MantisError {
  const message = `the value has ${bytes} bytes; the limit is ${VALUE_BYTES_MAX}`;
  return new MantisError('value-too-large', 'limit', message);
}

/** A value that the store has room for. */
function admitted(session: RawSession, value: BytesLike): Uint8Array<ArrayBuffer> {
  const bytes = toValue(value);
  if (bytes.length > SMALL_BYTES) session.admit(bytes.length);
  return bytes;
}

/** The operations of a batch, no more than it may have. */
export function toOperations<T>(operations: readonly T[]): readonly T[] {
  const { length } = toList(operations, 'operations');
  if (length > OPERATIONS_MAX) {
    const message = `the batch has ${length} operations; the limit is ${OPERATIONS_MAX}`;
    throw new MantisError('operations-too-many', 'limit', message);
  }
  checkBatchBytes(operations.reduce((sum, operation) => sum + lengthOf(operation), 0));
  return operations;
}

/** How long the value of an operation is, which in UTF-8 is no shorter. */
function lengthOf(operation: unknown): number {
  const { value } = (operation ?? {}) as { value?: unknown };
  const { length, byteLength } = (value ?? {}) as { length?: unknown; byteLength?: unknown };
  const known = typeof byteLength === 'number' ? byteLength : length;
  if (typeof known !== 'number') return 0;
  if (known > VALUE_BYTES_MAX) throw valueTooLarge(`at least ${known}`);
  return known;
}

function checkBatchBytes(bytes: number): void {
  if (bytes <= BATCH_BYTES_MAX) return;
  const message = `the transaction would write ${bytes} bytes; the limit is ${BATCH_BYTES_MAX}`;
  throw new MantisError('transaction-too-large', 'limit', message);
}

/** A batch that is being put together, no larger than the store takes. */
export class KeyBatch {
  raw: RawBatch;
  readonly #store: Store;
  readonly #session: RawSession;
  #bytes = 0;
  #admitted = SMALL_BYTES;

  constructor(store: Store, session: RawSession) {
    this.#store = store;
    this.#session = session;
    this.raw = store.newBatch();
  }

  /** What was added since the last call. */
  take(): RawBatch {
    const taken = this.raw;
    this.raw = this.#store.newBatch();
    return taken;
  }

  /** Counts bytes, before they are copied in. */
  #count(bytes: number): void {
    this.#bytes += bytes;
    checkBatchBytes(this.#bytes);
    if (this.#bytes <= this.#admitted) return;
    // Asked for twice as much each time, so that it is asked rarely.
    this.#session.admit(this.#bytes);
    this.#admitted = this.#bytes * 2;
  }

  add(operation: Operation): void {
    switch (operation.op) {
      case 'get':
        return this.raw.get(toKey(operation.key));
      case 'set': {
        const { name, version } = toExpectation(operation.expect);
        const [key, value] = [toKey(operation.key), toValue(operation.value)];
        this.#count(key.length + value.length);
        return this.raw.set(key, value, toMediaType(operation.mediaType), toTtlMs(operation), name, version);
      }
      case 'delete': {
        const { name, version } = toExpectation(operation.expect);
        return this.raw.delete(toKey(operation.key), name, version);
      }
      case 'delete-span': {
        const { prefix, start, end } = toEnds(operation.span);
        return this.raw.deleteSpan(prefix, start, end);
      }
      case 'increment':
        return this.raw.increment(toKey(operation.key), toInteger(operation.by));
      case 'check': {
        const { name, version } = toExpectation(operation.expect);
        return this.raw.check(toKey(operation.key), name, version);
      }
      default:
        throw unknownOperation(operation);
    }
  }
}

/** The error of an operation that is none. */
export function unknownOperation(operation: { op?: unknown } | null | undefined): MantisError {
  return invalid('argument-invalid', `there is no operation ${JSON.stringify(operation?.op)}`);
}

/** The result of an operation of a batch. */
export function resultOf(operation: Operation, value: unknown): OperationResult {
  switch (operation.op) {
    case 'get':
      return { op: 'get', entry: value as Entry | null };
    case 'delete':
    case 'delete-span':
      return { op: operation.op, deleted: value as number };
    case 'increment':
      return { op: 'increment', number: value as bigint };
    default:
      return { op: operation.op };
  }
}
