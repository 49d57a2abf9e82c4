/** The arguments of a call as JSON, by the rules of a server. */

import { checkText } from '../bytes.js';
import { MantisError } from '../errors.js';
import type { Json } from './api.js';

export type JsonObject = { [name: string]: Json };

/** What the arguments of a call may weigh: a text its characters, anything else this much. As on a server. */
const WEIGHT_MAX = 64 << 20;
const ITEM_WEIGHT = 40;

/** The arguments as JSON, no larger than a call may have, whose texts are texts. */
export function toCallJson(args: Json[] | JsonObject): string {
  let weight = 0;
  const weigh = (name: string, value: unknown): unknown => {
    weight += typeof value === 'string' ? value.length : ITEM_WEIGHT;
    if (weight > WEIGHT_MAX) {
      throw new MantisError('plugin-limit', 'other', `the arguments have more than ${WEIGHT_MAX} bytes`);
    }
    checkText(name);
    return typeof value === 'string' ? checkText(value) : value;
  };
  if (typeof args !== 'object' || args === null)
    throw new MantisError('arguments-invalid', 'invalid', 'arguments: must be an array or an object');
  try {
    return JSON.stringify(args, weigh);
  } catch (cause) {
    if (MantisError.is(cause) && cause.code === 'plugin-limit') throw cause;
    const { message } = cause as Error;
    throw new MantisError('arguments-invalid', 'invalid', `the arguments are no JSON: ${message}`, { cause });
  }
}
