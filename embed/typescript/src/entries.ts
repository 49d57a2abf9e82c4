import type { Entry, Kv, ScanOptions } from './api.js';

/** All entries of a span, page by page. */
export async function* entries(kv: Pick<Kv, 'scan'>, options: ScanOptions = {}): AsyncIterableIterator<Entry> {
  let cursor = options.cursor ?? null;
  do {
    const page = await kv.scan({ ...options, cursor });
    yield* page.entries;
    cursor = page.cursor;
  } while (cursor !== null);
}
