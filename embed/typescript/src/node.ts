/**
 * Requests by Node's own HTTP client, whose calls take a third of the processor time of the global `fetch`:
 * `connect(url, { fetch: nodeFetch() })`.
 */

import { Agent, request as overHttp, type IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as overHttps } from 'node:https';
import { Readable } from 'node:stream';
import type { Fetch, Fetched } from './http/options.js';

export interface NodeFetchOptions {
  /** The most connections to a server; 256 by default. Each open feed has one. Further requests wait. */
  connectionsMax?: number;
}

const CONNECTIONS_MAX = 256;
/** How long a connection is kept for the next request. Servers keep theirs longer. */
const IDLE_MS = 4_000;

/** What sends requests, over connections that are kept open between them. It follows no redirections and unpacks no answers. */
export function nodeFetch({ connectionsMax = CONNECTIONS_MAX }: NodeFetchOptions = {}): Fetch {
  const options = { keepAlive: true, maxSockets: connectionsMax, timeout: IDLE_MS };
  const [agent, secureAgent] = [new Agent(options), new SecureAgent(options)];
  return (address, { method, headers: given, body, signal }) =>
    new Promise((resolve, reject) => {
      const url = new URL(address);
      const headers = { ...given, 'accept-encoding': 'identity' };
      const ended = signal === undefined ? {} : { signal };
      const sent =
        url.protocol === 'https:'
          ? overHttps(url, { method, headers, agent: secureAgent, ...ended })
          : overHttp(url, { method, headers, agent, ...ended });
      sent.on('response', (message) => resolve(new Answer(message)));
      sent.on('error', reject);
      sent.end(body);
    });
}

class Answer implements Fetched {
  readonly status: number;
  readonly headers: Fetched['headers'];
  readonly #message: IncomingMessage;

  constructor(message: IncomingMessage) {
    this.#message = message;
    this.status = message.statusCode ?? 0;
    this.headers = {
      get: (name) => {
        const header = message.headers[name.toLowerCase()];
        return Array.isArray(header) ? header.join(', ') : (header ?? null);
      },
    };
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get body(): ReadableStream<Uint8Array> {
    return Readable.toWeb(this.#message) as ReadableStream<Uint8Array>;
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      this.#message.on('data', (piece: Buffer) => pieces.push(piece));
      this.#message.on('error', reject);
      this.#message.on('end', () => resolve(joined(pieces)));
    });
  }
}

/** Memory of its own: Node's buffers share theirs. */
function joined(pieces: Buffer[]): ArrayBuffer {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes.buffer;
}
