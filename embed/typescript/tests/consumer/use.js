import { MantisError, connect, toText } from 'mantisdb-client';

/** Uses a server in every way once: what a page, a worker and Node do alike. */
export async function use(url) {
  const db = connect(url);
  const kv = db.kv('consumer');
  await kv.set('a', 'kept');
  const feed = db.changes({ bucket: 'consumer', since: 'earliest' });
  const { value: change } = await feed.next();
  await feed.return();
  const sum = await db.transact(async (transaction) => (await transaction.kv('consumer').increment('n', 2n)).number);
  await kv.delete('n');
  const error = await db
    .kv('No')
    .get('a')
    .catch((error) => error);
  const tables = (await db.tables()).length;
  await db.close();
  return [
    toText(await connect(url).kv('consumer').get('a')),
    toText(change.key),
    String(sum),
    tables,
    MantisError.is(error) && error.code,
  ];
}
