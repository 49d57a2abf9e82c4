/** Bytes, versions and times in the API's JSON. */

import type { Bytes, BytesLike, Entry, Version } from '../api.js';
import { checkText, fromBase64, toBase64, toBytes, toTextStrictly } from '../bytes.js';

/** Text if the bytes are UTF-8, else base64. */
export type JsonBytes = string | { base64: string };

/** An entry of a listing or of a batch's result. */
export interface JsonEntry {
  key: JsonBytes;
  value: JsonBytes;
  media_type: string;
  /** Decimal; null for a write of the transaction itself. */
  version: string | null;
  modified_at: string;
  expires_at: string | null;
}

export function fromJsonBytes(json: JsonBytes): Bytes {
  return typeof json === 'string' ? toBytes(json) : fromBase64(json.base64);
}

export function toJsonBytes(encoded: Uint8Array): JsonBytes {
  return toTextStrictly(encoded) ?? { base64: toBase64(encoded) };
}

/** Longer texts, and those with characters that JSON escapes with six, may take less space as base64. */
const TEXT_LENGTH_MAX = 65_536;
const LONG_IN_JSON = /[\0-\x1f]/;

/** A value: a text as such where it can be, bytes as base64. */
export function toJsonValue(value: BytesLike): JsonBytes {
  if (typeof value === 'string' && value.length <= TEXT_LENGTH_MAX && !LONG_IN_JSON.test(value))
    return checkText(value);
  return { base64: toBase64(toBytes(value)) };
}

export function fromJsonVersion(version: string | null): Version {
  return BigInt(version ?? 0);
}

export function fromJsonTime(time: string): number {
  return Date.parse(time);
}

export function fromJsonEntry(entry: JsonEntry): Entry {
  return {
    key: fromJsonBytes(entry.key),
    value: fromJsonBytes(entry.value),
    mediaType: entry.media_type,
    version: fromJsonVersion(entry.version),
    modifiedAtMs: fromJsonTime(entry.modified_at),
    expiresAtMs: entry.expires_at === null ? null : fromJsonTime(entry.expires_at),
  };
}
