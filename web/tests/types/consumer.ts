// Not run, only compiled: a page's code against the types that are shipped.

import {
  MantisError,
  connect,
  open,
  toText,
  type Change,
  type Condition,
  type Kv,
  type MantisDB,
  type Written,
} from '../../dist/types/index.js';
import leaderboard from '../../dist/plugins/leaderboard/plugin.js';

async function use(db: MantisDB): Promise<void> {
  const kv: Kv = db.kv('users');
  const { version, durable }: Written = await kv.set('ada', new Uint8Array([1]));
  if (!durable) console.log(version + 1n);
  const { existed } = await kv.delete('grace');
  if (!existed) console.log((await kv.increment('n')).number + 1n, (await kv.deleteSpan({})).keys + 1);
  const value = await kv.get('ada');
  if (value !== null) console.log(toText(value), new Blob([value]), new Response(value));
  if (value !== null) await crypto.subtle.digest('SHA-256', value);
  await kv.set(new ArrayBuffer(1), new DataView(new ArrayBuffer(1)));
  const outcome = await kv.setWith('ada', 'x', { ttlMs: 1, expect: { version } });
  if (!outcome.written) console.log(outcome.current?.mediaType);
  const applied = await kv.apply([{ op: 'increment', key: 'n', by: 1n }]);
  if (applied.committed && applied.results[0]?.op === 'increment') console.log(applied.results[0].number + 1n);
  for await (const change of db.changes({ since: 'earliest' })) show(change);
  await db.plugin(leaderboard, { grants: { leaderboard: 'write' } }).call('submit', ['ada', 1]);
  try {
    await db.transact(async (transaction) => transaction.kv().delete('ada'));
  } catch (error) {
    if (error instanceof MantisError) console.log(error.code, error.kind, MantisError.from(error.toJSON()).hint);
    if (MantisError.is(error)) console.log(error.code);
  }
  // @ts-expect-error a span has a prefix, or ends, not both
  await kv.scan({ prefix: 'a', start: 'b' });
  // @ts-expect-error a check needs an expectation
  await kv.apply([{ op: 'check', key: 'a' }]);
}

function show(change: Change): void {
  console.log(change.kind === 'put', change.cursor);
}

await use(await open({ clock: () => 0, plugins: [leaderboard] }));
await use(connect('http://127.0.0.1:8080'));

/** As `GET /api/v1/schema/types.ts` writes it. */
type Database = {
  public: {
    Tables: {
      books: {
        Row: { id: number; title: string; pages: number | null };
        Insert: { id?: number; title: string; pages?: number | null };
        Update: { id?: number; title?: string; pages?: number | null };
        Relationships: [];
      };
    };
    Views: { [_ in never]: never };
  };
};

async function useTables(db: MantisDB<Database>): Promise<number> {
  const books = db.table('books');
  const { count, version } = await books.insert([{ title: 'Rain' }, { title: 'Fog', pages: 80 }]);
  // @ts-expect-error A title is needed.
  await books.insert({ pages: 1 });
  // @ts-expect-error There is no such table.
  db.table('boks');
  const [row] = await books.where('pages', 'gt', 100).order('id', { descending: true }).select('id', 'title').rows();
  // @ts-expect-error It was not selected.
  console.log(row?.pages, version + 1n);
  const counted = await books.select<{ n: number }>('n:count()').row();
  const conditions: Condition[] = [['data->>city', 'eq', 'Bern'], { not: { any: [['id', 'in', [1, 2n]]] } }];
  for (const condition of conditions) await connect('http://127.0.0.1').table('any').where(condition).delete();
  for await (const change of books.where('pages', 'gt', 1).select('id').changes({ since: 'earliest' })) {
    if (change.kind === 'alter') console.log(change.schema?.columns.length);
    // @ts-expect-error It was not selected.
    else if ('row' in change) console.log(change.row?.title, change.matches.old);
  }
  const batched = await db.batch([
    { op: 'check', bucket: 'stock', key: 'tea', expect: 'present' },
    { op: 'insert', table: 'orders', rows: { client: 'Ida' }, select: 'id' },
    { op: 'update', table: 'clients', filter: 'name=eq.$1', arguments: ['Ida'], set: { n: 1 }, matches: { min: 1 } },
    { op: 'select', table: 'lines', filter: 'order_id=eq.$1', arguments: [{ operation: 1, column: 'id' }] },
    // @ts-expect-error A select changes nothing.
    { op: 'select', table: 'lines', set: {} },
  ]);
  if (batched.committed) for (const result of batched.results) if (result.op === 'select') console.log(result.rows);
  await db.transact(async (transaction) => transaction.table('books').where('id', 'eq', 1).update({ pages: null }));
  return count + (counted?.n ?? 0) + (await books.page()).total;
}

void open<Database>({ tables: 'complete' }).then(useTables);
