/** Checks of arguments, the same for the page and for a server. */

import type { BytesLike, Cursor, Expect, ScanOptions, SetOptions, Span, TransactionOptions } from './api.js';
import { checkText, toBytes } from './bytes.js';
import { MantisError, invalid } from './errors.js';

/** Entries of a page by default. */
const PAGE_ENTRIES = 100;
/** The most keys of one `getMany`. */
const KEYS_MAX = 1_000;
const KEY_BYTES_MAX = 4_096;
const MEDIA_TYPE_BYTES_MAX = 255;
/** Longer than any cursor. */
const CURSOR_CHARACTERS_MAX = 16_384;

const INTEGER_MIN = -(2n ** 63n);
const INTEGER_MAX = 2n ** 63n - 1n;
const VERSION_MAX = 2n ** 64n - 1n;

/** A number to add: an integer of 64 bits. */
export function toInteger(by: bigint | number | undefined): bigint {
  if (by === undefined) return 1n;
  if (typeof by === 'number' && !Number.isSafeInteger(by)) {
    throw invalid('argument-invalid', 'a number to add is a whole number; use a bigint beyond 2^53 - 1');
  }
  const integer = BigInt(by);
  if (integer < INTEGER_MIN || integer > INTEGER_MAX) {
    throw invalid('argument-invalid', 'a number to add has 64 bits');
  }
  return integer;
}

/** The name of an expectation, and its version if it has one. */
export function toExpectation(expect: Expect | undefined): { name: string; version?: bigint } {
  if (expect === undefined) return { name: 'anything' };
  if (expect === 'anything' || expect === 'absent' || expect === 'present') return { name: expect };
  const version = typeof expect === 'object' && expect !== null ? expect.version : undefined;
  if (typeof version !== 'bigint' || version < 0n || version > VERSION_MAX) {
    throw invalid('argument-invalid', "an expectation is 'anything', 'absent', 'present' or { version } with a bigint");
  }
  return { name: 'version', version };
}

/**
 * Bytes of at most this length. A longer text, whose UTF-8 is no shorter, is refused before it is encoded, and longer bytes before they
 * are copied into the page's store, whose memory grows and never shrinks.
 */
export function toBytesWithin(
  value: BytesLike,
  bytesMax: number,
  tooLong: (bytes: string) => MantisError,
): Uint8Array<ArrayBuffer> {
  if (typeof value === 'string' && value.length > bytesMax) throw tooLong(`at least ${value.length}`);
  const bytes = toBytes(value);
  if (bytes.length > bytesMax) throw tooLong(String(bytes.length));
  return bytes;
}

/** The bytes of a key. */
export function toKey(key: BytesLike): Uint8Array<ArrayBuffer> {
  const bytes = toBytesWithin(key, KEY_BYTES_MAX, keyTooLong);
  if (bytes.length === 0) throw invalid('key-empty', 'A key has at least one byte.');
  return bytes;
}

/** A key as text, if it is given as one. */
export function toTextKey(key: BytesLike): string | null {
  // UTF-8 has at most three bytes for each unit of a text.
  if (typeof key !== 'string' || key === '' || key.length * 3 > KEY_BYTES_MAX) return null;
  return checkText(key);
}

function keyTooLong(bytes: string): MantisError {
  return new MantisError('key-too-long', 'limit', `the key has ${bytes} bytes; the limit is ${KEY_BYTES_MAX}`);
}

/** A media type that is not longer than any is. */
export function toMediaType(mediaType: string | undefined): string | undefined {
  if (mediaType === undefined) return undefined;
  if (typeof mediaType === 'string' && mediaType.length <= MEDIA_TYPE_BYTES_MAX) return checkText(mediaType);
  throw invalid('media-type-invalid', 'A media type has 1 to 255 characters of visible ASCII and spaces.');
}

/** The place where a feed begins. */
export function toSince(since: string | undefined): string | undefined {
  if (since === undefined || (typeof since === 'string' && since.length <= CURSOR_CHARACTERS_MAX)) return since;
  throw cursorInvalid();
}

function cursorInvalid(): MantisError {
  return invalid('cursor-invalid', 'The cursor was not made by this scan or feed.');
}

/** Whether transactions read one moment alone, or also validate what they read. */
export function toIsolation({ isolation }: TransactionOptions): 'serializable' | 'snapshot' | undefined {
  if (isolation === undefined || isolation === 'serializable' || isolation === 'snapshot') return isolation;
  throw invalid('argument-invalid', "an isolation is 'serializable' or 'snapshot'");
}

/** A list; `what` names it in the error. */
export function toList<T>(list: readonly T[], what: string): readonly T[] {
  if (Array.isArray(list)) return list as readonly T[];
  throw invalid('argument-invalid', `${what} are a list`);
}

/** The ends of a span may be as long as the key behind the longest one. */
function toEnd(end: BytesLike): Uint8Array<ArrayBuffer> {
  return toBytesWithin(end, KEY_BYTES_MAX + 1, keyTooLong);
}

/** A span's ends as bytes. */
export function toEnds(span: Span = {}): {
  prefix?: Uint8Array<ArrayBuffer>;
  start?: Uint8Array<ArrayBuffer>;
  end?: Uint8Array<ArrayBuffer>;
} {
  const { prefix, start, end } = span as { prefix?: BytesLike; start?: BytesLike; end?: BytesLike };
  if (prefix !== undefined && (start !== undefined || end !== undefined)) {
    throw invalid('argument-invalid', 'a span has a prefix, or a start and an end, not both');
  }
  return {
    ...(prefix === undefined ? {} : { prefix: toEnd(prefix) }),
    ...(start === undefined ? {} : { start: toEnd(start) }),
    ...(end === undefined ? {} : { end: toEnd(end) }),
  };
}

/** Checks the name of a bucket, which becomes part of paths: an invalid one must not lead to another path. */
export function toBucketName(name: string): string {
  if (isBucketName(name)) return name;
  throw invalid(
    'bucket-name-invalid',
    "A bucket's name has 1 to 63 characters of a-z, 0-9, '-', '_' and '.', and begins with a letter or digit.",
  );
}

export function isBucketName(name: unknown): name is string {
  return typeof name === 'string' && /^[a-z0-9][a-z0-9._-]{0,62}$/.test(name);
}

/** Checks a list of keys, but for what each of them is. */
export function checkKeys(keys: BytesLike[]): void {
  if (toList(keys, 'keys').length > KEYS_MAX) {
    throw new MantisError('keys-too-many', 'limit', `${keys.length} keys were asked for; the limit is ${KEYS_MAX}`);
  }
}

export function toKeys(keys: BytesLike[]): Uint8Array<ArrayBuffer>[] {
  checkKeys(keys);
  return keys.map(toKey);
}

export function toScan(options: ScanOptions): {
  ends: ReturnType<typeof toEnds>;
  reverse: boolean;
  limit: number;
  cursor: Cursor | null;
} {
  const { reverse = false, limit = PAGE_ENTRIES, cursor = null } = options;
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw invalid('limit-out-of-range', `the limit is ${limit}; it must be 1 to 1000`);
  }
  if (cursor !== null && !(typeof toSince(cursor) === 'string' && /^[A-Za-z0-9._-]+$/.test(cursor))) {
    throw cursorInvalid();
  }
  return { ends: toEnds(options), reverse, limit, cursor };
}

export function toTtlMs({ ttlMs }: SetOptions): number | undefined {
  if (ttlMs === undefined || (Number.isSafeInteger(ttlMs) && ttlMs >= 1)) return ttlMs;
  throw invalid('ttl-invalid', 'A time to live is at least 1 ms and at most 100 years.');
}
