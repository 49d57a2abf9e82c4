import type { Kv, Transaction, Written } from '../api.js';
import { MantisError, invalid } from '../errors.js';
import type { Client } from './client.js';
import { HttpKv } from './kv.js';

/** A transaction that a server holds open. It rolls back by itself when nothing is asked of it for 30 seconds. */
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

  async commit(): Promise<Written> {
    const id = this.#open();
    this.#id = null;
    return (await this.#client.written({ method: 'POST', path: `/transactions/${id}/commit` })).written;
  }

  async rollback(): Promise<void> {
    const id = this.#id;
    if (id === null) return;
    this.#id = null;
    try {
      await this.#client.send({ method: 'DELETE', path: `/transactions/${id}` });
    } catch (error) {
      // It had been idle for so long that the server rolled it back.
      if (!(error instanceof MantisError && error.code === 'transaction-not-open')) throw error;
    }
  }

  #open(): string {
    if (this.#id === null) {
      throw invalid('transaction-not-open', 'The session has no transaction open, or it has ended.');
    }
    return this.#id;
  }
}
