import {
  type Batched,
  type BatchOperation,
  invalid,
  type Kv,
  rejectCleanly,
  type Table,
  table,
  type Transaction,
  type Written,
} from '../client.js';
import type { Target } from './bucket.js';
import { PageKv } from './kv.js';
import { runBatch } from './operations.js';
import type { RawSession, Store } from './raw.js';
import { PageRows } from './rows.js';

/** A transaction: a session of its own, until it ends. */
export class PageTransaction implements Transaction, Target {
  readonly store: Store;
  #session: RawSession | null;
  readonly #committed: () => void;

  /** `committed` is called after a commit. */
  constructor(store: Store, session: RawSession, snapshotIsolation: boolean, committed: () => void) {
    this.store = store;
    store.call(() => session.begin(snapshotIsolation));
    this.#session = session;
    this.#committed = committed;
  }

  session(): RawSession {
    if (this.#session === null) {
      throw invalid('transaction-not-open', 'The session has no transaction open, or it has ended.');
    }
    return this.#session;
  }

  /** Nothing to announce: a write is visible to others only after the commit. */
  wrote(): void {}

  kv(bucket = 'default'): Kv {
    return new PageKv(this, bucket);
  }

  table(name: string): Table<never> {
    return table(new PageRows(this, name));
  }

  async batch(operations: readonly BatchOperation[]): Promise<Batched> {
    return runBatch(this, operations);
  }

  async commit(): Promise<Written> {
    return this.commitNow();
  }

  commitNow(): Written {
    const session = this.session();
    this.#session = null;
    try {
      return this.store.call(() => session.commit() as Written);
    } finally {
      session.free();
      this.#committed();
    }
  }

  async rollback(): Promise<void> {
    this.rollbackNow();
  }

  rollbackNow(): void {
    this.#session?.rollback();
    this.#session?.free();
    this.#session = null;
  }
}

rejectCleanly(PageTransaction);
