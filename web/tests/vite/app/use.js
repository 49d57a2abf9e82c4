import { MantisError, open } from 'mantisdb-web';

/** Uses tables and a plugin. */
export async function use(counter) {
  const db = await open({ tables: true });
  await db.createTable('t', { columns: [{ name: 'id', type: 'bigint' }], primary_key: ['id'] });
  await db.table('t').insert([{ id: 1 }, { id: 2 }]);
  const error = await db
    .kv('No')
    .get('a')
    .catch((error) => error);
  const plugin = db.plugin(counter, { grants: { counters: 'write' } });
  const counted = await plugin.call('increment', ['visits', 2]);
  const rows = await db.table('t').count();
  await db.close();
  return [rows, counted, MantisError.is(error) && error.code];
}
