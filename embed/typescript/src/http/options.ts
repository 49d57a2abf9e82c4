/** What callers of a server choose. */

/** Headers by name, or what makes them before each request: a token that expires, say. */
export type HeadersSource = Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);

/**
 * What a call may take. A call that ends early rejects with `aborted` or `timed-out`: a write that was sent may have been done all the
 * same. So may one that rejects with `unreachable`. Rolling a transaction back is not ended.
 */
export interface CallOptions {
  /** Ends calls and pauses between attempts when aborted, and feeds as if they were left. */
  signal?: AbortSignal;
  /**
   * The longest that one request may take with its answer, in milliseconds; no limit by default. A call of several requests may take
   * several times as long. Of a feed it bounds how long it takes to connect.
   */
  timeoutMs?: number;
  /** Headers for every request, such as `Authorization`. */
  headers?: HeadersSource;
}

/** The part of the global `fetch` that the client uses. Its `signal` must end requests, and answers that are being read. */
export type Fetch = (url: string, request: FetchRequest) => Promise<Fetched>;

export interface FetchRequest {
  method: string;
  headers: Record<string, string>;
  cache: 'no-store';
  body?: string | Uint8Array<ArrayBuffer>;
  signal?: AbortSignal;
}

/** The part of `Response` that the client uses. */
export interface Fetched {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: ReadableStream<Uint8Array> | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}

export interface ConnectOptions extends CallOptions {
  /** Replaces the global `fetch`: `nodeFetch()` in Node, say. */
  fetch?: Fetch;
  /**
   * How long a feed waits for a sign of life, which servers send every 15 seconds, before it connects again, in milliseconds; 45,000 by
   * default.
   */
  feedSilenceMs?: number;
}
