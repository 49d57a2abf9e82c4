/** The operations on one bucket, synchronously: the common base of the asynchronous API and the plugins' imports. */

import type {
  Applied,
  BytesLike,
  Counted,
  Deleted,
  DeletedKeys,
  Entry,
  Expect,
  KeyPage,
  Operation,
  OperationResult,
  Outcome,
  Page,
  Refusal,
  ScanOptions,
  SetOptions,
  Span,
  Written,
} from '../api.js';
import { toBucketName, toEnds, toExpectation, toInteger, toKeys, toScan, toTtlMs } from '../arguments.js';
import { concatenate, fromBase64Url, toBase64Url, toBytes } from '../bytes.js';
import { invalid } from '../errors.js';
import { call, newBatch, type RawBatch, type RawSession } from './raw.js';

/** The session of a bucket's calls, and a notice of their writes. */
export interface Target {
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

  get(key: BytesLike): Uint8Array | null {
    return this.#read((session) => session.get(this.name, toBytes(key)) as Uint8Array | null);
  }

  getEntry(key: BytesLike): Entry | null {
    return this.#read((session) => session.getEntry(this.name, toBytes(key)) as Entry | null);
  }

  getMany(keys: BytesLike[]): (Uint8Array | null)[] {
    return this.#read((session) => {
      const { bytes, lengths } = concatenate(toKeys(keys));
      return session.getMany(this.name, bytes, lengths) as (Uint8Array | null)[];
    });
  }

  set(key: BytesLike, value: BytesLike): Written {
    return this.#write((session) => session.set(this.name, toBytes(key), toBytes(value)) as Written);
  }

  setWith(key: BytesLike, value: BytesLike, options: SetOptions): Outcome {
    const { name, version } = toExpectation(options.expect);
    const ttlMs = toTtlMs(options);
    const { mediaType } = options;
    return this.#write(
      (session) => session.setWith(this.name, toBytes(key), toBytes(value), mediaType, ttlMs, name, version) as Outcome,
    );
  }

  delete(key: BytesLike): Deleted {
    return this.#write((session) => session.delete(this.name, toBytes(key)) as Deleted);
  }

  deleteIf(key: BytesLike, expect: Expect): Outcome {
    const { name, version } = toExpectation(expect);
    return this.#write((session) => session.deleteIf(this.name, toBytes(key), name, version) as Outcome);
  }

  increment(key: BytesLike, by?: bigint | number): Counted {
    const addend = toInteger(by);
    return this.#write((session) => session.increment(this.name, toBytes(key), addend) as Counted);
  }

  scan(options: ScanOptions = {}): Page {
    const { items, cursor } = this.#page<Entry>('scan', options);
    return { entries: items, cursor };
  }

  scanKeys(options: ScanOptions = {}): KeyPage {
    const { items, cursor } = this.#page<Uint8Array>('scanKeys', options);
    return { keys: items, cursor };
  }

  count(span: Span = {}): number {
    const { prefix, start, end } = toEnds(span);
    return this.#read((session) => session.count(this.name, prefix, start, end));
  }

  deleteSpan(span: Span): DeletedKeys {
    const { prefix, start, end } = toEnds(span);
    return this.#write((session) => session.deleteSpan(this.name, prefix, start, end) as DeletedKeys);
  }

  apply(operations: Operation[]): Applied {
    const applied = this.#write((session) => {
      const batch = newBatch(session);
      try {
        for (const operation of operations) addTo(batch, operation);
      } catch (error) {
        batch.free();
        throw error;
      }
      return session.apply(this.name, batch) as RawApplied;
    });
    if (!applied.committed) return applied;
    const results = operations.map((operation, index) => resultOf(operation, applied.results[index]));
    return { ...applied, results };
  }

  #page<T>(method: 'scan' | 'scanKeys', options: ScanOptions): { items: T[]; cursor: string | null } {
    const { ends, reverse, limit, cursor } = toScan(options);
    const { prefix, start, end } = ends;
    const from = cursor === null ? undefined : cursorBytes(cursor);
    const page = this.#read(
      (session) => session[method](this.name, prefix, start, end, reverse, limit, from) as RawPage<T>,
    );
    return { items: page.items, cursor: page.cursor && toBase64Url(page.cursor) };
  }

  #read<T>(work: (session: RawSession) => T): T {
    toBucketName(this.name);
    return call(() => work(this.#target.session()));
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

/** Adds an operation to a batch. */
export function addTo(batch: RawBatch, operation: Operation): void {
  switch (operation.op) {
    case 'get':
      return batch.get(toBytes(operation.key));
    case 'set': {
      const { name, version } = toExpectation(operation.expect);
      const { key, value, mediaType } = operation;
      return batch.set(toBytes(key), toBytes(value), mediaType, toTtlMs(operation), name, version);
    }
    case 'delete': {
      const { name, version } = toExpectation(operation.expect);
      return batch.delete(toBytes(operation.key), name, version);
    }
    case 'delete-span': {
      const { prefix, start, end } = toEnds(operation.span);
      return batch.deleteSpan(prefix, start, end);
    }
    case 'increment':
      return batch.increment(toBytes(operation.key), toInteger(operation.by));
    case 'check': {
      const { name, version } = toExpectation(operation.expect);
      return batch.check(toBytes(operation.key), name, version);
    }
    default:
      throw invalid('argument-invalid', `there is no operation ${JSON.stringify((operation as Operation).op)}`);
  }
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
