// Not run, only compiled: a page's code against the types that are shipped.

import {
  MantisError,
  connect,
  open,
  toText,
  type Change,
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
  const value: Uint8Array | null = await kv.get('ada');
  if (value !== null) console.log(toText(value));
  const outcome = await kv.setWith('ada', 'x', { ttlMs: 1, expect: { version } });
  if (!outcome.written) console.log(outcome.current?.mediaType);
  const applied = await kv.apply([{ op: 'increment', key: 'n', by: 1n }]);
  if (applied.committed && applied.results[0]?.op === 'increment') console.log(applied.results[0].number + 1n);
  for await (const change of db.changes({ since: 'earliest' })) show(change);
  await db.plugin(leaderboard, { grants: { leaderboard: 'write' } }).call('submit', ['ada', 1]);
  try {
    await db.transact(async (transaction) => transaction.kv().delete('ada'));
  } catch (error) {
    if (error instanceof MantisError) console.log(error.code, error.kind);
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
