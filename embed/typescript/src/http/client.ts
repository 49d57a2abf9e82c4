import type { Bytes, Written } from '../api.js';
import { toText } from '../bytes.js';
import { MantisError, closed, invalid, isTableCode, tableError } from '../errors.js';
import { kindOf } from './codes.js';
import type { CallOptions, ConnectOptions, Fetch, Fetched, HeadersSource } from './options.js';
import { Watch, joined } from './watch.js';

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
  body?: Bytes | string;
  /** Ends the request besides the caller's own signal. */
  signal?: AbortSignal;
  /** Cleans up after a call that may have been aborted: the caller's signal does not end it, and it takes a few seconds at most. */
  isCleanup?: boolean;
}

/** An answer, read to its end: one that is not would keep its connection from the next request. */
export interface Answer {
  status: number;
  headers: Fetched['headers'];
  bytes: Bytes;
}

const API = '/api/v1';
/** The longest that cleaning up may take. */
const CLEANUP_MS = 5_000;
/** What timers can count. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;
const JSON_TYPE = 'application/json';

/** The HTTP side: URLs, headers, time, and the meaning of status codes. */
export class Client {
  readonly url: string;
  readonly feedSilenceMs: number | undefined;
  readonly #fetch: Fetch;
  readonly #headers: HeadersSource[];
  readonly #signal: AbortSignal | undefined;
  #timeoutMs: number | undefined;
  readonly #closed: AbortController;

  constructor(url: string, options: ConnectOptions, base?: Client) {
    const { headers, signal, timeoutMs } = options;
    const added = headers === undefined ? [] : [headers];
    this.#timeoutMs = toTimeout(timeoutMs);
    if (base === undefined) {
      this.url = toBase(url);
      this.feedSilenceMs = toTimeout(options.feedSilenceMs);
      this.#fetch = options.fetch ?? ((...request) => fetch(...request));
      this.#headers = added;
      this.#signal = signal;
      this.#closed = new AbortController();
    } else {
      this.url = base.url;
      this.feedSilenceMs = base.feedSilenceMs;
      this.#fetch = base.#fetch;
      this.#headers = [...base.#headers, ...added];
      this.#signal = joined(base.#signal, signal);
      this.#timeoutMs ??= base.#timeoutMs;
      this.#closed = base.#closed;
    }
  }

  /** The same server, under further options. */
  with(options: CallOptions): Client {
    return new Client(this.url, options, this);
  }

  /** Aborted when the database is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** The signal of the caller, if there is one. */
  get signal(): AbortSignal | undefined {
    return this.#signal;
  }

  /** Refuses all later requests. */
  close(): void {
    this.#closed.abort();
  }

  /** Sends a request. Throws if the answer is an error. */
  async send(request: ApiRequest): Promise<Answer> {
    const { answer, error } = await this.attempt(request);
    if (error !== null) throw error;
    return answer;
  }

  /** Sends a request, for callers that need more of an error answer than its code. */
  async attempt(request: ApiRequest): Promise<{ answer: Answer; error: MantisError | null }> {
    return this.#watched(request, async (signal) => {
      const response = await this.#request(request, signal);
      const { status, headers } = response;
      const answer = { status, headers, bytes: new Uint8Array(await response.arrayBuffer()) };
      return { answer, error: response.ok ? null : toError(answer) };
    });
  }

  /** Sends a request whose answer has no end. Only connecting is bounded by the time-out. `release` is called when it has been left. */
  async stream(request: ApiRequest): Promise<{ body: ReadableStream<Uint8Array>; release: () => void }> {
    const opened = new AbortController();
    const forward = (signal: AbortSignal | undefined): (() => void) => {
      const abort = (): void => opened.abort(signal?.reason);
      signal?.addEventListener('abort', abort);
      return () => signal?.removeEventListener('abort', abort);
    };
    const release = forward(request.signal);
    return this.#watched(request, async (watched) => {
      const connected = forward(watched);
      try {
        const response = await this.#request(request, opened.signal);
        if (response.ok && response.body !== null) return { body: response.body, release };
        const { status, headers } = response;
        throw toError({ status, headers, bytes: new Uint8Array(await response.arrayBuffer()) });
      } catch (error) {
        release();
        throw error;
      } finally {
        connected();
      }
    });
  }

  async #watched<T>(request: ApiRequest, work: (signal: AbortSignal | undefined) => Promise<T>): Promise<T> {
    if (this.closed.aborted) throw closed();
    const { signal, isCleanup = false } = request;
    const watch = isCleanup
      ? new Watch(Math.min(this.#timeoutMs ?? CLEANUP_MS, CLEANUP_MS), signal)
      : new Watch(this.#timeoutMs, this.#signal, signal);
    try {
      watch.check();
      return await work(watch.signal);
    } catch (cause) {
      watch.check(cause);
      if (MantisError.is(cause)) throw cause;
      throw new MantisError('unreachable', 'other', `cannot reach ${this.url}: ${String(cause)}`, { cause });
    } finally {
      watch.end();
    }
  }

  async #request(request: ApiRequest, signal: AbortSignal | undefined): Promise<Fetched> {
    const { method, path, base = API, query = {}, headers = {}, body } = request;
    // Unpacking costs more time than a network takes for the rest. Browsers choose for themselves.
    const all: Record<string, string> = { 'accept-encoding': 'identity' };
    for (const source of this.#headers) {
      const given = typeof source === 'function' ? await made(source) : source;
      // Names that differ only in case would be sent with both values.
      for (const [name, value] of Object.entries(given)) all[name.toLowerCase()] = value;
    }
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) all[name] = value;
    return this.#fetch(`${this.url}${base}${path}${toQuery(query)}`, {
      method,
      headers: all,
      // Every answer comes from the store, none from a cache.
      cache: 'no-store',
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
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
    const answer = await this.send({ ...request, headers });
    return { body: JSON.parse(toText(answer.bytes)) as T, written: toWritten(answer) };
  }

  /** Reads a resource of the service itself, outside `/api/v1`. */
  service<T>(path: string): Promise<T> {
    return this.json<T>({ method: 'GET', base: '', path });
  }
}

/** The outcome of a write, from the headers of the answer. In a transaction only the commit has them. */
export function toWritten({ headers }: Answer): Written {
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

/** What throws in a function of the caller's is the caller's own error. */
async function made(source: Exclude<HeadersSource, Record<string, string>>): Promise<Record<string, string>> {
  try {
    return await source();
  } catch (cause) {
    if (MantisError.is(cause)) throw cause;
    throw new MantisError('headers-failed', 'other', `the function that makes headers failed: ${String(cause)}`, {
      cause,
    });
  }
}

function toTimeout(timeoutMs: number | undefined): number | undefined {
  if (timeoutMs === undefined || (timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX)) return timeoutMs;
  throw invalid('argument-invalid', `a time-out is 1 to ${TIMEOUT_MS_MAX} milliseconds`);
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

function toError({ status, bytes }: Answer): MantisError {
  let problem: Problem;
  try {
    // A proxy may answer with anything that is JSON.
    problem = Object(JSON.parse(toText(bytes))) as Problem;
  } catch {
    problem = {};
  }
  const { code: named, detail, title, message: said } = problem;
  const code = typeof named === 'string' ? named : `http-${status}`;
  const message = String(detail ?? said ?? title ?? `the server answered ${status}`);
  const { details, hint: given, operation } = problem;
  const hint = given === undefined || given === null ? {} : { hint: given };
  if (isTableCode(code)) return tableError({ code, message, details, operation, ...hint }, problem);
  const value = code === 'plugin-error' ? { value: problem.error } : {};
  return new MantisError(code, kindOf(code, status), message, { ...hint, ...value, operation, cause: problem });
}
