/** The family of each error code. Over HTTP an error has only its code. */

const KINDS: Record<string, string> = {
  'bucket-not-found': 'not-found',
  'access-denied': 'access-denied',
  'key-empty': 'invalid',
  'key-too-long': 'limit',
  'value-too-large': 'limit',
  'bucket-name-invalid': 'invalid',
  'buckets-too-many': 'limit',
  'bucket-reserved': 'invalid',
  'media-type-invalid': 'invalid',
  'ttl-invalid': 'invalid',
  'limit-out-of-range': 'invalid',
  'cursor-invalid': 'invalid',
  'keys-too-many': 'limit',
  'answer-too-large': 'limit',
  'operations-too-many': 'limit',
  'transaction-too-large': 'limit',
  'transaction-open': 'invalid',
  'transaction-not-open': 'invalid',
  'transaction-too-old': 'conflict',
  conflict: 'conflict',
  'not-an-integer': 'constraint',
  'integer-overflow': 'constraint',
  compacted: 'compacted',
  'memory-full': 'limit',
  'store-full': 'limit',
  'disk-full': 'limit',
  interrupted: 'other',
  'storage-failed': 'read-only',
  'read-only': 'read-only',
  'precondition-failed': 'constraint',
};

/** The family of codes that only HTTP has, by status. */
const KINDS_BY_STATUS: Record<number, string> = {
  400: 'invalid',
  401: 'access-denied',
  403: 'access-denied',
  404: 'not-found',
  413: 'limit',
  414: 'limit',
  415: 'invalid',
  421: 'access-denied',
  422: 'invalid',
};

export function kindOf(code: string, status: number): string {
  if (code.startsWith('plugin-') && code !== 'plugin-not-found') return 'other';
  return KINDS[code] ?? KINDS_BY_STATUS[status] ?? 'other';
}
