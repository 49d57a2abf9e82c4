import { rejectCleanly } from '../errors.js';
import type { Called, Json, Plugin } from '../plugins/api.js';
import { checkText } from '../bytes.js';
import { toCallJson } from '../plugins/arguments.js';
import { segment, type Client } from './client.js';

/** A plugin on a server. */
export class HttpPlugin implements Plugin {
  readonly name: string;
  readonly #client: Client;

  constructor(client: Client, name: string) {
    this.#client = client;
    this.name = name;
  }

  async call(name: string, args?: Json[] | { [parameter: string]: Json }): Promise<Json> {
    return (await this.invoke(name, args)).value;
  }

  async invoke(name: string, args: Json[] | { [parameter: string]: Json } = []): Promise<Called> {
    const path = `/plugins/${segment(checkText(this.name))}/call/${segment(checkText(name))}`;
    const request = { method: 'POST', path, body: toCallJson(args) } as const;
    const { body, written } = await this.#client.written<Json>(request);
    return { value: body, ...written };
  }
}

rejectCleanly(HttpPlugin);
