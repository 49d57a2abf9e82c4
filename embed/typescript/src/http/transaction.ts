import type { Kv, Transaction, Written } from '../api.js';
import { MantisError, invalid, rejectCleanly } from '../errors.js';
import type { Table } from '../tables/api.js';
import type { BatchOperation, Batched } from '../tables/batch.js';
import { table } from '../tables/query.js';
import type { Client } from './client.js';
import { HttpKv } from './kv.js';
import { runBatch } from './operations.js';
import { HttpRows } from './rows.js';

/** A transaction that a server holds open. The server rolls it back after 30 seconds without a request. */
export class HttpTransaction implements Transaction {
  readonly #client: Client;
  #id: string | null;

  constructor(client: Client, id: string) {
    this.#client = client;
    this.#id = id;
  }

  kv(bucket = 'default'): Kv {
    return new HttpKv(this.#client, bucket, () => this.#open());
  }

  table(name: string): Table<never> {
    return table(new HttpRows(this.#client, name, () => this.#open()));
  }

  async batch(operations: readonly BatchOperation[]): Promise<Batched> {
    return runBatch(this.#client, operations, this.#open());
  }

  async commit(): Promise<Written> {
    const id = this.#open();
    this.#id = null;
    return (await this.#client.written({ method: 'POST', path: `/transactions/${id}/commit` })).written;
  }

  async rollback(): Promise<void> {
    const id = this.#id;
    if (id === null || this.#client.closed.aborted) return;
    this.#id = null;
    const rolledBack = this.#client.send({ method: 'DELETE', path: `/transactions/${id}`, isCleanup: true });
    // A caller that has been aborted does not wait for the server.
    if (this.#client.signal?.aborted) return void rolledBack.catch(() => undefined);
    try {
      await rolledBack;
    } catch (error) {
      // It was idle for too long, and the server rolled it back.
      if (!(MantisError.is(error) && error.code === 'transaction-not-open')) throw error;
    }
  }

  #open(): string {
    if (this.#id === null) {
      throw invalid('transaction-not-open', 'The session has no transaction open, or it has ended.');
    }
    return this.#id;
  }
}

rejectCleanly(HttpTransaction);
