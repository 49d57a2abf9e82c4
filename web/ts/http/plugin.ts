import type { Json, Plugin } from '../plugins/api.js';
import type { Client } from './client.js';

/** A plugin that a server runs. */
export class HttpPlugin implements Plugin {
  readonly name: string;
  readonly #client: Client;

  constructor(client: Client, name: string) {
    this.#client = client;
    this.name = name;
  }

  async call(name: string, args: Json[] | { [parameter: string]: Json } = []): Promise<Json> {
    const path = `/plugins/${encodeURIComponent(this.name)}/call/${encodeURIComponent(name)}`;
    return this.#client.json<Json>({ method: 'POST', path, body: JSON.stringify(args) });
  }
}
