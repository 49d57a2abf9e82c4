import type { BytesLike } from './api.js';
import { invalid } from './errors.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Half of a surrogate pair without the other half. */
const LONE = /\p{Surrogate}/u;

/** The engine's own, where it has one, takes a fraction of the time. */
function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed?(): boolean }).isWellFormed?.() ?? !LONE.test(text);
}

/**
 * Throws if a text has half of a surrogate pair, which UTF-8 has no form for: encoders write U+FFFD for each, so that different texts
 * would become one. `what` names the text in the error.
 */
export function checkText(text: string, what = 'a text'): string {
  if (!isWellFormed(text))
    throw invalid('argument-invalid', `${what} has half of a surrogate pair, which is no character`);
  return text;
}

/** The bytes of a text as UTF-8; bytes as they are. */
export function toBytes(value: BytesLike): Uint8Array<ArrayBuffer> {
  if (typeof value === 'string') return encoder.encode(checkText(value));
  const bytes = toView(value);
  if (bytes !== null) return bytes;
  throw invalid('argument-invalid', 'keys and values are strings, Uint8Arrays, or other views of an ArrayBuffer');
}

/** The bytes of a view or a buffer, of any realm, where they are; null for anything else. */
export function toView(value: unknown): Uint8Array<ArrayBuffer> | null {
  // Most are of this realm. An empty one may have been transferred elsewhere.
  if (value instanceof Uint8Array && value.length > 0 && value.buffer instanceof ArrayBuffer) {
    return value as Uint8Array<ArrayBuffer>;
  }
  try {
    if (!ArrayBuffer.isView(value)) return isBuffer(value) ? new Uint8Array(value) : null;
    const { buffer, byteOffset, byteLength } = value;
    if (isBuffer(buffer)) return new Uint8Array(buffer, byteOffset, byteLength);
    // Shared memory may change while it is read, and few functions of the page take it.
    return new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
  } catch (cause) {
    throw invalid('argument-invalid', 'the buffer was transferred elsewhere', cause);
  }
}

const byteLength = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength')?.get;

/** Whether it is an `ArrayBuffer`, of whatever realm. */
function isBuffer(value: unknown): value is ArrayBuffer {
  try {
    // The tag can be forged, but most of what has another one is told from a buffer by it, without an exception.
    const isTagged = Object.prototype.toString.call(value) === '[object ArrayBuffer]';
    return isTagged && byteLength?.call(value) !== undefined;
  } catch {
    return false;
  }
}

/** Byte strings as one, with the length of each. */
export function concatenate(parts: Uint8Array[]): { bytes: Uint8Array<ArrayBuffer>; lengths: Uint32Array } {
  const lengths = Uint32Array.from(parts, (part) => part.length);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, lengths };
}

/** The text of UTF-8 bytes; invalid bytes become U+FFFD. */
export function toText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The text; null if the bytes are not UTF-8. */
export function toTextStrictly(bytes: Uint8Array): string | null {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return null;
  }
}

export function toBase64(bytes: Uint8Array): string {
  // Newer engines have one of their own.
  const own = (bytes as Uint8Array & { toBase64?(): string }).toBase64?.();
  if (own !== undefined) return own;
  let binary = '';
  // In pieces: a call takes about 100,000 arguments at most.
  for (let at = 0; at < bytes.length; at += 32_768) {
    const piece = bytes.subarray(at, at + 32_768);
    binary += String.fromCharCode.apply(null, piece as unknown as number[]);
  }
  return btoa(binary);
}

/** Base64 for URLs: without `+`, `/` and padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/'));
}

/** Throws if the text is not base64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
