/** Values as JSON documents, in a page and over HTTP. */

import type { BytesLike, Kv, Outcome, SetOptions } from './api.js';
import { toTextStrictly } from './bytes.js';
import { MantisError, invalid } from './errors.js';

const MEDIA_TYPE = 'application/json';

export async function setJson(
  kv: Kv,
  key: BytesLike,
  value: unknown,
  options: Omit<SetOptions, 'mediaType'> = {},
): Promise<Outcome> {
  return kv.setWith(key, toJson(value), { ...options, mediaType: MEDIA_TYPE });
}

export async function getJson<T>(kv: Kv, key: BytesLike): Promise<T | null> {
  const value = await kv.get(key);
  if (value === null) return null;
  try {
    return JSON.parse(toTextStrictly(value) ?? '') as T;
  } catch (cause) {
    throw new MantisError('not-json', 'constraint', 'the value is not a JSON document', { cause });
  }
}

function toJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new MantisError('argument-invalid', 'invalid', `JSON has no text for the value: ${String(cause)}`, { cause });
  }
  if (text === undefined) throw invalid('argument-invalid', 'JSON has no text for undefined, a function or a symbol');
  return text;
}
