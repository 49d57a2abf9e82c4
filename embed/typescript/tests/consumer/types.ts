// Not run, only compiled: a program against the types that are shipped.

import {
  MantisError,
  connect,
  type Bytes,
  type CallOptions,
  type Change,
  type HttpMantisDB,
  type MantisDB,
  type PluginInfo,
} from 'mantisdb-client';

interface Database {
  public: {
    Tables: {
      books: {
        Row: { id: number; title: string; pages: number | null };
        Insert: { id?: number; title: string; pages?: number | null };
        Update: { id?: number; title?: string; pages?: number | null };
      };
    };
  };
}

export async function use(): Promise<void> {
  const options: CallOptions = {
    signal: AbortSignal.timeout(1_000),
    timeoutMs: 500,
    headers: async () => ({ a: 'b' }),
  };
  const db: HttpMantisDB<Database> = connect<Database>('http://127.0.0.1:8080', { ...options, fetch });
  const common: MantisDB<Database> = db.with({ timeoutMs: 1 });
  const bytes: Bytes | null = await common.kv().get('a');
  const rows: { id: number; title: string }[] = await db.table('books').select('id', 'title').rows();
  // @ts-expect-error It was not selected.
  console.log(bytes?.length, rows[0]?.pages);
  // @ts-expect-error There is no such table.
  db.table('boks');
  // @ts-expect-error A title is needed.
  await db.table('books').insert({ pages: 1 });
  const info: PluginInfo = await db.plugins.put('counter', new Uint8Array(8), { grants: { counters: 'write' } });
  const document = await db.kv().getJson<{ name: string }>('doc');
  console.log(info.versions[0]?.installedAtMs, document?.name);
  const sum: bigint = await db.transact(async (transaction) => (await transaction.kv().increment('n')).number);
  try {
    for await (const change of db.changes({ since: 'earliest' })) show(change, sum);
  } catch (error) {
    if (MantisError.is(error)) console.log(error.code, error.kind, error.hint);
  }
}

function show(change: Change, sum: bigint): void {
  console.log(change.kind === 'put', change.cursor, sum + 1n);
}
