import type { Written } from '../api.js';
import { MantisError, closed, isTableCode, tableError } from '../errors.js';
import { kindOf } from './codes.js';

export interface ConnectOptions {
  /** Headers for every request, such as `Authorization`. */
  headers?: Record<string, string>;
  /** Replaces the page's `fetch`. */
  fetch?: typeof fetch;
}

type Query = Record<string, string | Uint8Array | undefined> | [name: string, value: string | Uint8Array][];

/** One request of the API. */
export interface ApiRequest {
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Relative to `base`, percent-encoded. */
  path: string;
  /** `/api/v1` by default. */
  base?: string;
  /** By name, or in order where a name may come twice. */
  query?: Query;
  headers?: Record<string, string | undefined>;
  body?: Uint8Array | string;
  signal?: AbortSignal;
}

const API = '/api/v1';
const JSON_TYPE = 'application/json';

/** The HTTP side: URLs, headers, and the meaning of status codes. */
export class Client {
  readonly url: string;
  readonly #headers: Record<string, string>;
  readonly #fetch: typeof fetch;
  readonly #closed = new AbortController();

  constructor(url: string, options: ConnectOptions) {
    this.url = toBase(url);
    this.#headers = options.headers ?? {};
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
  }

  /** Aborted when the database is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Refuses all later requests. */
  close(): void {
    this.#closed.abort();
  }

  /** The text of an answer. */
  text(response: Response): Promise<string> {
    return this.#read(response.text());
  }

  /** The bytes of an answer. */
  async bytes(response: Response): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await this.#read(response.arrayBuffer()));
  }

  async #read<T>(body: Promise<T>): Promise<T> {
    try {
      return await body;
    } catch (cause) {
      throw this.#unreachable(cause);
    }
  }

  #unreachable(cause: unknown): MantisError {
    return new MantisError('unreachable', 'other', `cannot reach ${this.url}: ${String(cause)}`, { cause });
  }

  /** Sends a request. Throws if the answer is an error. */
  async send(request: ApiRequest): Promise<Response> {
    const { response, error } = await this.attempt(request);
    if (error !== null) throw error;
    return response;
  }

  /** Sends a request, for callers that need more of an error answer than its code. */
  async attempt(request: ApiRequest): Promise<{ response: Response; error: MantisError | null }> {
    const { method, path, base = API, query = {}, headers = {}, body, signal } = request;
    if (this.closed.aborted) throw closed();
    const given = Object.entries(headers).filter((header): header is [string, string] => header[1] !== undefined);
    let response: Response;
    try {
      response = await this.#fetch(`${this.url}${base}${path}${toQuery(query)}`, {
        method,
        headers: { ...this.#headers, ...Object.fromEntries(given) },
        // Every answer comes from the store, none from a cache.
        cache: 'no-store',
        ...(body === undefined ? {} : { body: body as BodyInit }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw this.#unreachable(cause);
    }
    return { response, error: response.ok ? null : await toError(response) };
  }

  /** Sends a request, with a JSON body if there is one, and reads the JSON of the answer. */
  async json<T>(request: ApiRequest): Promise<T> {
    return (await this.written<T>(request)).body;
  }

  /** The same for a request that writes. */
  async written<T>(request: ApiRequest): Promise<{ body: T; written: Written }> {
    const headers = {
      accept: JSON_TYPE,
      ...(request.body === undefined ? {} : { 'content-type': JSON_TYPE }),
      ...request.headers,
    };
    const response = await this.send({ ...request, headers });
    return { body: JSON.parse(await this.text(response)) as T, written: toWritten(response) };
  }

  /** Reads a resource of the service itself, outside `/api/v1`. */
  service<T>(path: string): Promise<T> {
    return this.json<T>({ method: 'GET', base: '', path });
  }
}

/** The outcome of a write, from the headers of the answer. In a transaction only the commit has them. */
export function toWritten({ headers }: Response): Written {
  return {
    version: BigInt(headers.get('mantisdb-version') ?? 0),
    durable: headers.get('mantisdb-durable') === 'true',
  };
}

/** Bytes in a URL. Escapes every byte but letters, digits, `-`, `_` and `~`: dots could become path segments. */
export function percentEncode(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /[A-Za-z0-9_~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** Whether a part of a path would be a step for `fetch`, however it is written: the URL standard takes `%2E` for a dot. */
export function isStep(part: string): boolean {
  return part === '.' || part === '..';
}

/** A name in a path. One of only dots is nobody's: with a percent sign of its own it stays a name that leads to nothing. */
export function segment(name: string): string {
  return isStep(name) ? name.replaceAll('.', '%252E') : encodeURIComponent(name);
}

function toBase(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new MantisError('argument-invalid', 'invalid', `${JSON.stringify(url)} is no address`, { cause });
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw new MantisError('argument-invalid', 'invalid', 'the address of a server begins with http:// or https://');
  }
  return parsed.origin + parsed.pathname.replace(/\/+$/, '');
}

function toQuery(query: Query): string {
  const parts = (Array.isArray(query) ? query : Object.entries(query)).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return `${encodeURIComponent(name)}=${typeof value === 'string' ? encodeURIComponent(value) : percentEncode(value)}`;
  });
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

interface Problem {
  code?: string;
  title?: string;
  detail?: string;
  /** Of tables. */
  message?: string;
  details?: unknown;
  hint?: string | null;
  error?: unknown;
  /** Of a batch. */
  operation?: number;
}

async function toError(response: Response): Promise<MantisError> {
  const { status } = response;
  let problem: Problem;
  try {
    problem = JSON.parse(await response.text()) as Problem;
  } catch {
    problem = {};
  }
  const code = problem.code ?? `http-${status}`;
  const message = problem.detail ?? problem.message ?? problem.title ?? `the server answered ${status}`;
  const { details, hint: given, operation } = problem;
  const hint = given === undefined || given === null ? {} : { hint: given };
  if (isTableCode(code)) return tableError({ code, message, details, operation, ...hint }, problem);
  const value = code === 'plugin-error' ? { value: problem.error } : {};
  return new MantisError(code, kindOf(code, status), message, { ...hint, ...value, operation, cause: problem });
}
