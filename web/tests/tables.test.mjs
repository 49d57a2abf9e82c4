// Tables: every method of the builder, over the page's own store and over a server.

import { checkBoth, checkRefusals, withPage } from './harness.mjs';

const held = withPage();

/** Two tables with rows, then `work(db, books)`. */
const check = (name, work, expected, options) =>
  checkBoth(held, name, `async (db) => { ${SHELF} return plain(await (${work})(db, db.table('books'))); }`, expected, {
    tables: true,
    ...options,
  });

const SHELF = `
  // Rows come as text, too.
  const plain = (value) => {
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== 'object' || value === null || !('json' in value)) return value;
    const { json, ...rest } = value;
    if (json !== JSON.stringify(rest.rows ?? rest.row)) throw new Error(json);
    return rest;
  };
  await db.createTable('writers', {
    columns: [
      { name: 'id', type: 'bigint', identity: true },
      { name: 'name', type: 'text', nullable: false },
    ],
    primary_key: ['id'],
  });
  await db.createTable('books', {
    columns: [
      { name: 'id', type: 'bigint', identity: true },
      { name: 'title', type: 'text', nullable: false },
      { name: 'order', type: 'integer', default: 7 },
      { name: 'tags', type: 'text[]' },
      { name: 'data', type: 'jsonb' },
      { name: 'writer_id', type: 'bigint' },
    ],
    primary_key: ['id'],
    unique: [['title']],
    checks: [{ check: '"order"=gte.0' }],
    foreign_keys: [{ columns: ['writer_id'], references: { table: 'writers' } }],
  });
  await db.table('writers').insert({ name: 'Ada' });
  await db.table('books').insert([
    { title: 'Rain, (a "b") \\\\', order: 1, tags: ['x', 'y,z'] },
    { title: 'Fog', data: { a: { b: 'c' } }, writer_id: 1 },
    { title: 'null' },
  ]);`;

check(
  'an insert returns its rows with defaults and the commit',
  async (db, books) => [
    await books.insert([{ title: 'Mist' }, { title: 'Sun', order: 3 }], { returning: 'id,title,order' }),
    await books.insert([]),
  ],
  [
    {
      count: 2,
      version: '5n',
      durable: false,
      rows: [
        { id: 4, title: 'Mist', order: 7 },
        { id: 5, title: 'Sun', order: 3 },
      ],
    },
    { count: 0, version: '5n', durable: false, rows: [] },
  ],
);

check(
  'whatever a value has in it, it is compared as it is',
  async (db, books) => {
    const title = 'Rain, (a "b") \\';
    const conditions = [
      ['title', 'eq', title],
      ['title', 'in', [title, 'Fog']],
      ['title', 'neq', 'null'],
      ['title', 'like(any)', ['F*', 'R*']],
      ['tags', 'cs', ['y,z']],
      ['data', 'cs', { a: { b: 'c' } }],
      ['data->a->>b', 'eq', 'c'],
      ['data', 'is', null],
      ['data', 'not.is', null],
      ['order', 'eq', 7n],
      { not: ['id', 'gt', 1] },
    ];
    const found = [];
    for (const condition of conditions) {
      for (const where of [condition, { any: [condition] }]) {
        found.push((await books.where(where).order('id').rows()).map(({ id }) => id));
      }
    }
    return found;
  },
  [[1], [1, 2], [1, 2], [1, 2], [1], [2], [2], [1, 3], [2], [2, 3], [1]].flatMap((ids) => [ids, ids]),
);

check(
  'conditions nest',
  async (db, books) =>
    books
      .where({ any: [{ all: [['order', 'eq', 7], { not: ['data', 'is', null] }] }, ['title', 'like', 'Rain*']] })
      .where('id', 'lte', 9)
      .order('order', { descending: true })
      .select('id')
      .json(),
  '[{"id":2},{"id":1}]',
);

check(
  'rows come in order, in pages, with what the select says',
  async (db, books) => [
    await books.order('order', { nulls: 'first' }).order('id', { descending: true }).select('id', 'order').rows(),
    await books.order('id').select('id').limit(1).page(),
    await books.order('id').select('id').range(1, 1).rows(),
    await books.order('id').select('id').offset(9).page(),
    await books.order('id').select('id').offset(2).rows(),
    await books.select('title,writers(name)').where('writer_id', 'eq', 1).rows(),
    await books.select('title,writers!inner(name)').where('writers.name', 'eq', 'Bob').rows(),
    await db.table('writers').select('books(id)').parameter('books.order', 'id.desc').json(),
    await books.where('id', 'gt', 1).count(),
  ],
  [
    [
      { id: 1, order: 1 },
      { id: 3, order: 7 },
      { id: 2, order: 7 },
    ],
    { rows: [{ id: 1 }], total: 3 },
    [{ id: 2 }],
    { rows: [], total: 3 },
    [{ id: 3 }],
    [{ title: 'Fog', writers: { name: 'Ada' } }],
    [],
    '[{"books":[{"id":2}]}]',
    2,
  ],
);

check(
  'one row is the row or null',
  async (db, books) => [
    await books.where('id', 'eq', 2).select('title').row(),
    await books.where('id', 'eq', 9).row(),
    await books.row().catch((error) => error.code),
  ],
  [{ title: 'Fog' }, null, 'PGRST116'],
);

check(
  'a row is read, changed and deleted by its key, at its version',
  async (db, books) => {
    const { row, version } = await books.get(2, 'title');
    const stale = await books.updateRow(2, { order: 1 }, { ifVersion: version - 1n }).catch((error) => error.code);
    const changed = await books.updateRow(2, { order: 1 }, { ifVersion: version, returning: 'order' });
    const missing = [
      await books.get(9),
      (await books.updateRow(9, { order: 1 })).count,
      (await books.deleteRow(9)).count,
    ];
    const deleted = await books.deleteRow(2, { ifVersion: changed.version, returning: 'id' });
    await db.createTable('pairs', {
      columns: [
        { name: 'a', type: 'text' },
        { name: 'b', type: 'integer' },
      ],
      primary_key: ['a', 'b'],
    });
    await db.table('pairs').insert({ a: 'x,/"', b: 1 });
    return [row, version, stale, changed, missing, deleted, await db.table('pairs').get(['x,/"', 1])];
  },
  [
    { title: 'Fog' },
    '4n',
    'precondition-failed',
    { count: 1, version: '5n', durable: false, rows: [{ order: 1 }] },
    [null, 0, 0],
    { count: 1, version: '6n', durable: false, rows: [{ id: 2 }] },
    { row: { a: 'x,/"', b: 1 }, version: '8n' },
  ],
);

check(
  'a count is within limit and offset',
  async (db, books) => [
    await books.limit(2).count(),
    await books.offset(2).count(),
    await books.range(1, 5).count(),
    await books.offset(7).limit(7).count(),
  ],
  [2, 1, 2, 0],
);

check(
  'numbers keep their digits in text',
  async (db) => {
    await db.createTable('sums', {
      columns: [
        { name: 'n', type: 'numeric' },
        { name: 'i', type: 'bigint' },
      ],
    });
    await db.table('sums').insert({ n: '12345678901234567890.50', i: 2n ** 62n });
    return db.table('sums').json();
  },
  '[{"n":12345678901234567890.50,"i":4611686018427387904}]',
);

check(
  'an upsert merges or leaves what is there',
  async (db, books) => [
    await books.upsert([{ title: 'Fog', order: 3 }, { title: 'Sun' }], { onConflict: ['title'], returning: 'order' }),
    await books.upsert([{ title: 'Fog', order: 4 }], { onConflict: ['title'], ignoreDuplicates: true }),
    await books.where('title', 'eq', 'Fog').select('id', 'order').row(),
  ],
  [
    { count: 2, version: '5n', durable: false, rows: [{ order: 3 }, { order: 7 }] },
    { count: 0, version: '5n', durable: false, rows: [] },
    { id: 2, order: 3 },
  ],
);

check(
  'updates and deletions change the rows that they name',
  async (db, books) => [
    await books
      .where('order', 'eq', 7)
      .update({ order: 8 }, { returning: true })
      .then(({ rows }) => rows.length),
    await books.updateMany([
      { id: 1, order: 10 },
      { id: 2, title: 'Mist' },
    ]),
    await books.where('id', 'lte', 2).order('id').delete({ returning: 'title,order' }),
    await books.count(),
  ],
  [
    2,
    { count: 2, version: '6n', durable: false, rows: [] },
    {
      count: 2,
      version: '7n',
      durable: false,
      rows: [
        { title: 'Rain, (a "b") \\', order: 10 },
        { title: 'Mist', order: 8 },
      ],
    },
    1,
  ],
);

check(
  'a plan names the index',
  async (db, books) => books.where('id', 'eq', 2).explain(),
  "Index Scan using books_pkey on books  (cost=0.00..1.00 rows=1 width=0)\n  Index Cond: (id = '2'::bigint)\n",
);

check(
  'statements of a transaction are undone alone, and commit together',
  async (db, books) => {
    const transaction = await db.transaction();
    const inside = transaction.table('books');
    const failed = await inside.insert({ title: 'Fog' }).catch((error) => error.code);
    const { version } = await inside.insert({ title: 'Sun' });
    const seen = [await inside.count(), await books.count()];
    await transaction.commit();
    const after = await inside.rows().catch((error) => error.code);
    const total = await db.transact(async (again) => {
      await again.table('books').where('title', 'eq', 'Sun').delete();
      return again.table('books').count();
    });
    return [failed, version, seen, after, await books.count(), total];
  },
  ['23505', '0n', [4, 3], 'transaction-not-open', 3, 3],
);

check(
  'definitions are made, confirmed, altered, listed and dropped',
  async (db) => {
    const notes = { columns: [{ name: 'id', type: 'uuid', default: { function: 'uuidv7' } }], primary_key: ['id'] };
    const { isNew, definition } = await db.createTable('notes', notes);
    const again = await db.createTable('notes', notes);
    const altered = await db.alterTable('notes', { add_columns: [{ name: 'text', type: 'text', default: 'x' }] });
    const { rows } = await db.table('notes').insert({}, { returning: 'text' });
    const names = (await db.tables()).map(({ name }) => name);
    await db.dropTable('notes');
    const gone = await db.describeTable('notes').catch((error) => error.code);
    return [isNew, definition.primary_key, again.isNew, altered.columns.length, rows, names, gone];
  },
  [true, ['id'], false, 2, [{ text: 'x' }], ['books', 'notes', 'writers'], 'PGRST205'],
);

check(
  'bytes, dates and arrays are written as their types read them',
  async (db) => {
    const columns = [
      { name: 'b', type: 'bytea' },
      { name: 't', type: 'timestamptz' },
      { name: 'a', type: 'integer[]' },
      { name: 'j', type: 'jsonb' },
    ];
    await db.createTable('things', { columns });
    const t = new Date(Date.UTC(2024, 0, 2, 3, 4, 5, 600));
    const things = db.table('things');
    await things.insert({ b: Uint8Array.of(0, 255), t, a: [1, null], j: { at: t, n: null } });
    const found = things.where('b', 'eq', Uint8Array.of(0, 255)).where('t', 'eq', t).where('a', 'eq', [1, null]);
    return found.rows();
  },
  [
    {
      b: '\\x00ff',
      t: '2024-01-02T03:04:05.6+00:00',
      a: [1, null],
      j: { n: null, at: '2024-01-02T03:04:05.600Z' },
    },
  ],
);

check(
  'what is too deep is refused, and nothing breaks',
  async (db, books) => {
    const nested = (depth) => {
      let value = null;
      for (let level = 0; level < depth; level++) value = [value];
      return value;
    };
    let condition = ['id', 'eq', 1];
    for (let level = 0; level < 40; level++) condition = { any: [condition] };
    const code = (promise) =>
      promise.then(
        () => 'done',
        (error) => error.code,
      );
    return [
      await code(books.insert({ title: 'deep', data: nested(500) })),
      await code(books.insert({ title: 'deeper', data: nested(2_000) })),
      await code(books.where(condition).rows()),
      await code(books.select(`${'writers('.repeat(40)}id${')'.repeat(40)}`).rows()),
      await books.count(),
    ];
  },
  ['done', '54000', '54000', '54000', 4],
);

check(
  'a refusal says what, which and why',
  async (db, books) => {
    const { code, kind, message, details, hint } = await books.insert({ title: 'Fog' }).catch((error) => error);
    const { hint: nearest } = await db
      .table('boks')
      .rows()
      .catch((error) => error);
    return [code, kind, message, details, hint ?? null, nearest];
  },
  [
    '23505',
    'constraint',
    'duplicate key value violates unique constraint "books_title_key"',
    'Key (title)=(Fog) already exists.',
    null,
    "Perhaps you meant the table 'public.books'",
  ],
);

/** A call on the table `t`, which is made before. */
const onT = (call) => `db
  .createTable('t', { columns: [{ name: 'a', type: 'integer' }], checks: [{ check: 'a=gt.0' }] })
  .then(() => ${call})`;

checkRefusals(
  held,
  'tables: what is refused, and how',
  [
    ["db.table('nothing').rows()", 'PGRST205', 'not-found'],
    ["db.createTable('x', { columns: [{ name: 'a', type: 'nothing' }] })", '42704', 'invalid'],
    ["db.createTable('x', {})", '42601', 'invalid'],
    [
      "db.createTable('x', { columns: [{ name: 'a', type: 'text', default: { function: 'no' } }] })",
      '42883',
      'invalid',
    ],
    [onT("db.createTable('t', { columns: [{ name: 'b', type: 'text' }] })"), '42P07', 'invalid'],
    [onT("db.table('t').insert({ a: -1 })"), '23514', 'constraint'],
    [onT("db.table('t').insert({ a: 'x' })"), '22P02', 'invalid'],
    [onT("db.table('t').insert({ b: 1 })"), 'PGRST204', 'invalid'],
    [onT("db.table('t').update({ a: 1 })"), '21000', 'invalid'],
    [onT("db.table('t').delete()"), '21000', 'invalid'],
    [onT("db.table('t').where('a', 'eq', 'x').rows()"), '22P02', 'invalid'],
    [onT("db.table('t').where('b', 'eq', 1).rows()"), '42703', 'invalid'],
    [onT("db.table('t').select('a,(').rows()"), 'PGRST100', 'invalid'],
    [onT("db.table('t').where('a', 'eq', null).rows()"), 'argument-invalid', 'invalid'],
    [onT("db.table('t').where('a', 'in', 1).rows()"), 'argument-invalid', 'invalid'],
    [onT("db.table('t').limit(-1).rows()"), 'argument-invalid', 'invalid'],
    [onT("db.table('t').limit(1).where('a', 'eq', 1).delete()"), 'argument-invalid', 'invalid'],
    [onT("db.alterTable('t', { drop_columns: ['b'] })"), '42703', 'invalid'],
    ["db.dropTable('nothing')", 'PGRST205', 'not-found'],
  ],
  { tables: true },
);

/** Refusals of the page alone: what a build lacks. */
const absent = (name, tables, call, expected) =>
  checkBoth(held, name, `async (db) => (${call}).then((answer) => answer, ({ code }) => code)`, expected, {
    tables,
    overHttp: false,
  });

const PATTERN = `db
  .createTable('t', { columns: [{ name: 'a', type: 'text' }] })
  .then(() => db.table('t').where('a', 'match', '^x').rows())`;
const ZONE = `db
  .createTable('t', { columns: [{ name: 'a', type: 'timestamptz' }] })
  .then(() => db.table('t').insert({ a: '2024-07-01 12:00 Europe/Zurich' }, { returning: true }))
  .then(({ rows }) => rows[0].a)`;
absent('without tables a call on them is refused by name', false, "db.table('t').rows()", '0A000');
absent('without tables a definition is refused by name', false, 'db.tables()', '0A000');
absent('without regular expressions match is refused by name', true, PATTERN, '0A000');
absent('the complete build has regular expressions', 'complete', PATTERN, []);
absent('without names of time zones one is refused by name', true, ZONE, '22023');
absent('the complete build has names of time zones', 'complete', ZONE, '2024-07-01T10:00:00+00:00');
