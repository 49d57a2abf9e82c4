// Batches on keys and rows. Over the page's own store and over a server.

import { checkBoth, withPage } from './harness.mjs';

const held = withPage(({ page }) =>
  page.evaluate(() => {
    /** Clients, orders and their lines. */
    window.shop = async (db) => {
      await db.createTable('clients', {
        columns: [
          { name: 'name', type: 'text' },
          { name: 'credit', type: 'integer', nullable: false, default: 10 },
          { name: 'value', type: 'bigint' },
        ],
        primary_key: ['name'],
      });
      await db.createTable('orders', {
        columns: [
          { name: 'id', type: 'bigint', identity: true },
          { name: 'client', type: 'text' },
        ],
        primary_key: ['id'],
        foreign_keys: [{ columns: ['client'], references: { table: 'clients', columns: ['name'] } }],
      });
      await db.createTable('lines', {
        columns: [
          { name: 'order_id', type: 'bigint' },
          { name: 'what', type: 'text' },
          { name: 'n', type: 'integer' },
        ],
        primary_key: ['order_id', 'what'],
        foreign_keys: [{ columns: ['order_id'], references: { table: 'orders', columns: ['id'] } }],
      });
      await db.table('clients').insert([{ name: 'Ida' }, { name: "Jon & O'Neill, (x)", credit: 5 }]);
      await db.kv('stock').set('tea', '5');
    };
    /** A result without the text of its rows, which must be theirs. */
    window.untexted = ({ json, ...result }) => {
      if (json !== undefined && JSON.stringify(JSON.parse(json)) !== JSON.stringify(result.rows)) throw json;
      return result;
    };
    /** The outcome without its commit, which differs from run to run. */
    window.outcome = async (batched) => {
      try {
        const { version, durable, ...rest } = await batched;
        return rest;
      } catch (error) {
        return [error.code, error.kind, error.operation ?? null];
      }
    };
  }),
);
const check = (name, work, expected, options = {}) =>
  checkBoth(held, name, work, expected, { tables: true, ...options });

check(
  'keys and rows change in one commit, each operation after those before it',
  async (db) => {
    await shop(db);
    const feed = db.changes({ bucket: 'stock' });
    await feed.ready;
    const batched = await db.batch([
      { op: 'check', bucket: 'stock', key: 'tea', expect: 'present' },
      { op: 'increment', bucket: 'stock', key: 'tea', by: -2 },
      { op: 'insert', table: 'orders', rows: { client: 'Ida' }, select: 'id,client' },
      {
        op: 'insert',
        table: 'lines',
        rows: [{ what: 'tea', n: 2 }, { what: 'milk' }],
        from: { order_id: { operation: 2, column: 'id' } },
      },
      {
        op: 'update',
        table: 'clients',
        filter: 'name=eq.$1&credit=gte.$2',
        arguments: ['Ida', 10],
        set: { credit: 8 },
        matches: 1,
      },
      {
        op: 'select',
        table: 'lines',
        filter: 'order_id=eq.$1',
        arguments: [{ operation: 2, column: 'id' }],
        select: 'what,n',
        order: 'what',
        limit: 1,
        offset: 1,
      },
      { op: 'get', bucket: 'stock', key: 'tea' },
      { op: 'set', key: 'done', value: 'yes' },
      { op: 'delete', key: 'nothing' },
      { op: 'delete-span', span: { prefix: 'x' } },
      { op: 'check', table: 'clients', filter: 'credit=lt.10', matches: { min: 1, max: 2 } },
    ]);
    const change = (await feed.next()).value;
    const { key, value, version } = batched.results[6].entry;
    const results = batched.results.map((result) => (result.op === 'get' ? { op: 'get' } : untexted(result)));
    return [
      results,
      [toText(key), toText(value), version],
      change.version === batched.version,
      (await db.table('lines').get([1, 'milk'])).version === batched.version,
      toText(await db.kv().get('done')),
    ];
  },
  [
    [
      { op: 'check' },
      { op: 'increment', number: '3n' },
      { op: 'insert', inserted: 1, updated: 0, rows: [{ id: 1, client: 'Ida' }] },
      { op: 'insert', inserted: 2, updated: 0, rows: [] },
      { op: 'update', updated: 1, rows: [] },
      { op: 'select', rows: [{ what: 'tea', n: 2 }] },
      { op: 'get' },
      { op: 'set' },
      { op: 'delete', deleted: 0 },
      { op: 'delete-span', deleted: 0 },
      { op: 'check' },
    ],
    ['tea', '3', '0n'],
    true,
    true,
    'yes',
  ],
);

check(
  'conditions that do not hold are all named, and nothing is written',
  async (db) => {
    await shop(db);
    const { version } = await db.kv('stock').set('milk', '1');
    const found = await db.table('clients').get('Ida');
    const refused = await db.batch([
      { op: 'set', key: 'a', value: '1' },
      { op: 'check', bucket: 'stock', key: 'milk', expect: 'absent' },
      { op: 'check', bucket: 'stock', key: 'coffee', expect: 'present' },
      { op: 'update', table: 'clients', filter: 'credit=gt.0', set: { credit: 0 }, matches: 1 },
      { op: 'delete', table: 'clients', filter: 'name=eq.Ida', ifVersion: found.version + 1n },
      { op: 'select', table: 'clients', matches: { max: 1 } },
      { op: 'set', key: 'a', value: '2', expect: { version: 7n } },
      { op: 'update', table: 'clients', filter: 'name=eq.Ida', set: { credit: 1 } },
      { op: 'check', table: 'clients', filter: 'name=eq.Ida', ifVersion: found.version },
    ]);
    return [
      refused.committed,
      refused.refusals.map(({ index, matched = null }) => [index, matched]),
      refused.refusals[0].version === version,
      refused.refusals[1].version,
      refused.refusals[3].version === found.version,
      // One of a wrong number has no version, and what the batch itself wrote has none yet.
      ['version' in refused.refusals[2], refused.refusals[6].version],
      [await db.kv().get('a'), await db.table('clients').count()],
    ];
  },
  [
    false,
    [
      [1, null],
      [2, null],
      [3, 2],
      [4, 1],
      [5, 2],
      [6, null],
      [8, 1],
    ],
    true,
    null,
    true,
    [false, null],
    [null, 2],
  ],
);

check(
  'an operation that fails undoes the batch, and is named',
  async (db) => {
    await shop(db);
    const first = { op: 'set', key: 'a', value: '1' };
    const tried = [];
    for (const operation of [
      { op: 'insert', table: 'clients', rows: { name: 'Ida' } },
      { op: 'insert', table: 'orders', rows: { client: 'nobody' } },
      { op: 'insert', table: 'nowhere', rows: {} },
      { op: 'update', table: 'clients', filter: 'nothing=eq.1', set: { credit: 1 } },
      { op: 'update', table: 'clients', filter: 'credit', set: { credit: 1 } },
      { op: 'delete', table: 'clients' },
      { op: 'select', table: 'clients', filter: 'name=eq.$1' },
      { op: 'insert', table: 'orders', rows: {}, from: { client: { operation: 0, column: 'x' } } },
      { op: 'increment', bucket: 'stock', key: 'tea', by: 9223372036854775807n },
      { op: 'drop', table: 'clients' },
      { op: 'select', table: 'clients', matches: -1 },
    ]) {
      tried.push(await outcome(db.batch([first, operation])));
    }
    return [tried, await db.kv().get('a')];
  },
  [
    [
      ['23505', 'constraint', 1],
      ['23503', 'constraint', 1],
      ['PGRST205', 'not-found', 1],
      ['42703', 'invalid', 1],
      ['PGRST100', 'invalid', 1],
      ['21000', 'invalid', 1],
      ['42P02', 'invalid', 1],
      ['21000', 'invalid', 1],
      ['integer-overflow', 'constraint', 1],
      ['argument-invalid', 'invalid', null],
      ['argument-invalid', 'invalid', null],
    ],
    null,
  ],
);

check(
  'arguments are values, whatever their characters, lists and types',
  async (db) => {
    await shop(db);
    const names = async (filter, ...given) => {
      const { results } = await db.batch([
        { op: 'select', table: 'clients', filter, arguments: given, select: 'name', order: 'name' },
      ]);
      return results[0].rows.map(({ name }) => name.slice(0, 3));
    };
    return [
      await names('name=eq.$1', "Jon & O'Neill, (x)"),
      await names('name=in.$1', ['Ida', "Jon & O'Neill, (x)", 'x']),
      await names('or=(name.eq.$1,credit.eq.$2)', 'Ida', 5n),
      await names('name=eq.$1', null),
      await names('credit=gt.$1', 7),
    ];
  },
  [['Jon'], ['Ida', 'Jon'], ['Ida', 'Jon'], [], ['Ida']],
);

check(
  'rows that are there already are merged or left',
  async (db) => {
    await shop(db);
    const insert = async (onDuplicate, credit) => {
      const rows = [{ name: 'Ida', credit }, { name: `new ${onDuplicate}` }];
      const operation = {
        op: 'insert',
        table: 'clients',
        rows,
        onDuplicate,
        onConflict: ['name'],
        select: 'name,credit',
      };
      return untexted((await db.batch([operation])).results[0]);
    };
    return [await insert('merge', 1), await insert('ignore', 2)];
  },
  [
    {
      op: 'insert',
      inserted: 1,
      updated: 1,
      rows: [
        { name: 'Ida', credit: 1 },
        { name: 'new merge', credit: 10 },
      ],
    },
    { op: 'insert', inserted: 1, updated: 0, rows: [{ name: 'new ignore', credit: 10 }] },
  ],
);

check(
  'sums have all their digits, rows those of their numbers, and their texts all',
  async (db) => {
    await shop(db);
    await db.kv().set('n', '9007199254740993');
    const { results } = await db.batch([
      { op: 'increment', key: 'n' },
      { op: 'insert', table: 'clients', rows: { name: '{"[x', value: 9007199254740993n }, select: 'value' },
      { op: 'select', table: 'clients', filter: 'value=not.is.null', select: 'value,text:value::text,name' },
      { op: 'get', key: 'n' },
    ]);
    const texts = results.map(({ json = null }) => json);
    return [results[0].number, results[1].rows, results[2].rows, toText(results[3].entry.value), texts];
  },
  [
    '9007199254740994n',
    [{ value: 9007199254740992 }],
    [{ value: 9007199254740992, text: '9007199254740993', name: '{"[x' }],
    '9007199254740994',
    [
      null,
      '[{"value":9007199254740993}]',
      '[{"value":9007199254740993,"text":"9007199254740993","name":"{\\"[x"}]',
      null,
    ],
  ],
);

check(
  'a batch in a transaction belongs to it, and is undone alone',
  async (db) => {
    await shop(db);
    const transaction = await db.transaction();
    await transaction.table('clients').insert({ name: 'Kim' });
    const done = await transaction.batch([{ op: 'insert', table: 'orders', rows: { client: 'Kim' } }]);
    const failed = await outcome(
      transaction.batch([
        { op: 'set', key: 'a', value: '1' },
        { op: 'insert', table: 'clients', rows: { name: 'Kim' } },
      ]),
    );
    const refused = await transaction.batch([
      { op: 'set', key: 'a', value: '1' },
      { op: 'check', table: 'orders', matches: 0 },
    ]);
    const before = await db.table('orders').count();
    await transaction.commit();
    return [
      [done.version, done.durable],
      failed,
      refused,
      [before, await db.table('orders').count(), await db.kv().get('a')],
      await outcome(transaction.batch([])),
    ];
  },
  [
    ['0n', false],
    ['23505', 'constraint', 1],
    { committed: false, refusals: [{ index: 1, matched: 1 }] },
    [0, 1, null],
    ['transaction-not-open', 'invalid', null],
  ],
);

check(
  'a database without tables has no such batches',
  (db) => outcome(db.batch([{ op: 'set', key: 'a', value: '1' }])),
  ['0A000', 'invalid', null],
  { tables: false, overHttp: false },
);
