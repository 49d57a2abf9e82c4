/** Checks of arguments, the same for the page and for a server. */

import type { BytesLike, Cursor, Expect, ScanOptions, SetOptions, Span } from './api.js';
import { toBytes } from './bytes.js';
import { MantisError, invalid } from './errors.js';

/** Entries of a page by default. */
const PAGE_ENTRIES = 100;
/** The most keys of one `getMany`. */
const KEYS_MAX = 1_000;

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

/** A span's ends as bytes. */
export function toEnds(span: Span = {}): { prefix?: Uint8Array; start?: Uint8Array; end?: Uint8Array } {
  const { prefix, start, end } = span as { prefix?: BytesLike; start?: BytesLike; end?: BytesLike };
  if (prefix !== undefined && (start !== undefined || end !== undefined)) {
    throw invalid('argument-invalid', 'a span has a prefix, or a start and an end, not both');
  }
  return {
    ...(prefix === undefined ? {} : { prefix: toBytes(prefix) }),
    ...(start === undefined ? {} : { start: toBytes(start) }),
    ...(end === undefined ? {} : { end: toBytes(end) }),
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

export function toKeys(keys: BytesLike[]): Uint8Array[] {
  if (keys.length > KEYS_MAX) {
    throw new MantisError('keys-too-many', 'limit', `${keys.length} keys were asked for; the limit is ${KEYS_MAX}`);
  }
  return keys.map(toBytes);
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
  if (cursor !== null && !(typeof cursor === 'string' && /^[A-Za-z0-9._-]+$/.test(cursor))) {
    throw invalid('cursor-invalid', 'The cursor was not made by this scan or feed.');
  }
  return { ends: toEnds(options), reverse, limit, cursor };
}

export function toTtlMs({ ttlMs }: SetOptions): number | undefined {
  if (ttlMs === undefined || (Number.isSafeInteger(ttlMs) && ttlMs >= 1)) return ttlMs;
  throw invalid('ttl-invalid', 'A time to live is at least 1 ms and at most 100 years.');
}
