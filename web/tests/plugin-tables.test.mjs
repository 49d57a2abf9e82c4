// Plugins on tables: the same components in the page, over the page's own store, and on a server.

import { readFileSync } from 'node:fs';
import { checkBoth, withPage } from './harness.mjs';

const FIXTURES = ['misuse-tables', 'tables', 'tasks'];
const schemas = Object.fromEntries(
  ['accounts', 'orders', 'trades'].map((name) => {
    const path = new URL(`../../guest/examples/order-book/schema/${name}.json`, import.meta.url);
    return [name, JSON.parse(readFileSync(path, 'utf8'))];
  }),
);

const held = withPage(async ({ page }) => {
  await page.evaluate(
    async ({ fixtures, schemas }) => {
      window.modules = {};
      const load = async (folder, name) =>
        (window.modules[name] = (await import(`${folder}/${name}/plugin.js`)).default);
      for (const name of fixtures) await load('/tests/dist', name);
      await load('/dist/plugins', 'order-book');
      /** A plugin with every grant. */
      window.all = (db, name, more = {}) => db.plugin(modules[name], { grants: 'all', log: () => {}, ...more });
      /** The case and the code of the error that a call returned, or the code of the call's own. */
      window.failed = (error) => {
        const [[tag, failure] = []] = Object.entries(error.value ?? {});
        return tag === undefined ? error.code : `${tag} ${failure.code}`;
      };
      window.query = (filter, given = [], select = '', order = '', more = {}) => ({
        filter,
        arguments: given,
        select,
        order,
        offset: 0,
        ...more,
      });
      window.integer = (integer) => ({ integer });
      window.text = (text) => ({ text });
      /** A market in which Ada and Bob have cash and shares. */
      window.market = async (db) => {
        for (const [name, schema] of Object.entries(schemas)) await db.createTable(name, schema);
        const row = (name) => ({ name, cash_cents: 100_000, shares: 50 });
        await db.table('accounts').insert([row('ada'), row('bob')]);
        return db.plugin(modules['order-book'], {
          grants: { 'table/accounts': 'write', 'table/orders': 'write', 'table/trades': 'write' },
          log: () => {},
        });
      };
      /** Clients and their invoices, and a plugin that does with them what it is told. */
      window.accounting = async (db) => {
        await db.createTable('clients', {
          columns: [
            { name: 'id', type: 'bigint', identity: true },
            { name: 'name', type: 'text', nullable: false },
          ],
          primary_key: ['id'],
          unique: [['name']],
        });
        await db.createTable('invoices', {
          columns: [
            { name: 'id', type: 'integer' },
            { name: 'client_id', type: 'bigint' },
            { name: 'total', type: 'numeric(10,2)' },
            { name: 'tags', type: 'text[]' },
          ],
          primary_key: ['id'],
          checks: [{ name: 'positive', check: 'total=gt.0' }],
          foreign_keys: [
            { columns: ['client_id'], references: { table: 'clients', columns: ['id'] }, on_delete: 'cascade' },
          ],
        });
        await db.table('clients').insert([{ name: 'Ida' }, { name: 'Jon' }]);
        await db.table('invoices').insert([
          { id: 1, client_id: 1, total: 10, tags: ['a', 'b c'] },
          { id: 2, client_id: 1, total: '20.5', tags: null },
          { id: 3, client_id: 2, total: 5, tags: [] },
        ]);
        return all(db, 'tables');
      };
    },
    { fixtures: FIXTURES, schemas },
  );
});
const check = (name, work, expected, options = {}) =>
  checkBoth(held, name, work, expected, { tables: true, ...options });

check(
  'an order, its trades and both accounts are one commit',
  async (db) => {
    const book = await market(db);
    const place = (...order) => book.call('place', order);
    const placed = [await place('ada', 'sell', 1000, 10), await place('ada', 'sell', 900, 5)];
    const { value, version } = await book.invoke('place', ['bob', 'buy', 1100, 12]);
    const accounts = db.table('accounts');
    return [
      [...placed, value],
      (await accounts.get('ada')).version === version,
      await accounts.order('name').rows(),
      await db.table('trades').select('quantity,buyer:orders!trades_buy_order_fkey(account)').order('id').rows(),
      await book.call('book', [10]),
      await book.call('cancel', [1]),
      (await accounts.get('ada')).row.shares,
    ];
  },
  [
    [
      { order: 1, trades: [], remaining: 10 },
      { order: 2, trades: [], remaining: 5 },
      {
        order: 3,
        trades: [
          { against: 2, 'price-cents': 900, quantity: 5 },
          { against: 1, 'price-cents': 1000, quantity: 7 },
        ],
        remaining: 0,
      },
    ],
    true,
    [
      { name: 'ada', cash_cents: 111_500, shares: 35 },
      { name: 'bob', cash_cents: 88_500, shares: 62 },
    ],
    [
      { quantity: 5, buyer: { account: 'bob' } },
      { quantity: 7, buyer: { account: 'bob' } },
    ],
    [{ side: 'sell', 'price-cents': 1000, quantity: 3 }],
    3,
    38,
  ],
  { install: ['order-book'] },
);

check(
  'an order that is refused writes nothing',
  async (db) => {
    const book = await market(db);
    await book.call('place', ['ada', 'sell', 1000, 10]);
    const state = async () =>
      JSON.stringify([await db.table('accounts').order('name').json(), await db.table('orders').json()]);
    const before = await state();
    const codes = [];
    for (const [name, ...args] of [
      ['place', 'bob', 'buy', 0, 1],
      ['place', 'nobody', 'buy', 1, 1],
      ['place', 'bob', 'buy', 10_001, 10],
      ['place', 'bob', 'sell', 1, 51],
      ['cancel', 77],
    ]) {
      codes.push(await book.call(name, args).catch(failed));
    }
    return [codes, (await state()) === before, await db.table('trades').rows()];
  },
  [
    [
      'invalid number-out-of-range',
      'invalid account-unknown',
      'constraint 23514',
      'constraint 23514',
      'invalid order-not-open',
    ],
    true,
    [],
  ],
  { install: ['order-book'] },
);

check(
  "a value of each type comes back to a plugin's struct as it was",
  async (db) => {
    const types = {
      id: 'bigint',
      small: 'smallint',
      normal: 'integer',
      real: 'real',
      double: 'double precision',
      'is it': 'boolean',
      text: 'text',
      bytes: 'bytea',
      numeric: 'numeric',
      uuid: 'uuid',
      date: 'date',
      time: 'time',
      timestamp: 'timestamptz',
      type: 'jsonb',
      array: 'text[]',
      missing: 'integer',
    };
    const columns = Object.entries(types).map(([name, type]) => ({ name, type }));
    await db.createTable('samples', { columns, primary_key: ['id'] });
    const plugin = all(db, 'tables');
    return [await plugin.call('round-trip'), await plugin.call('mismatch').catch(failed)];
  },
  ['equal', 'invalid value-mismatch'],
  { install: ['tables'] },
);

check(
  'rows are read by key, by query and packed, counted and explained',
  async (db) => {
    const plugin = await accounting(db);
    const asked = query('total=gt.$1', [integer(6)], 'id,total,tags,clients(name)', 'id.desc');
    const [plain, packed] = [
      await plugin.call('select', ['invoices', asked]),
      await plugin.call('select-packed', ['invoices', asked]),
    ];
    const [row, version] = await plugin.call('get', ['invoices', [integer(1)], 'total,clients(name)']);
    const page = (limit, offset) => plugin.call('count', ['invoices', { ...asked, limit, offset }]);
    return [
      plain,
      JSON.stringify(packed) === JSON.stringify(plain),
      row,
      version > 0,
      await plugin.call('get', ['invoices', [integer(9)], '']),
      [await page(null, 0), await page(1, 0), await page(5, 1), await page(5, 7)],
      (await plugin.call('explain', ['invoices', query('id=eq.$1', [integer(1)])])).split(' ').slice(0, 2),
    ];
  },
  [
    {
      columns: ['id', 'total', 'tags', 'clients'],
      rows: [
        [{ integer: 2 }, { numeric: '20.50' }, 'null', { json: '{"name":"Ida"}' }],
        [{ integer: 1 }, { numeric: '10.00' }, { array: '{a,"b c"}' }, { json: '{"name":"Ida"}' }],
      ],
    },
    true,
    [{ numeric: '10.00' }, { json: '{"name":"Ida"}' }],
    true,
    null,
    [2, 1, 1, 0],
    ['Index', 'Scan'],
  ],
  { install: ['tables'] },
);

check(
  'writes answer what they wrote, guarded by a version',
  async (db) => {
    const plugin = await accounting(db);
    const insert = (conflict, columns, rows) =>
      plugin.call('insert', ['clients', columns, rows, conflict, ['id'], 'id,name']);
    const rows = [
      [integer(1), text('Ida B')],
      [integer(9), text('Kim')],
    ];
    const merged = await insert('merge', ['id', 'name'], rows);
    const ignored = await insert('ignore', ['id', 'name'], rows);
    const below = query('total=lt.$1', [integer(20)], 'id,total', 'id.desc');
    const updated = await plugin.call('update', ['invoices', below, [['total', { double: 1.005 }]], null]);
    const many = [
      [integer(1), { numeric: '8' }],
      [integer(2), { numeric: '9' }],
    ];
    const changed = await plugin.call('update-many', ['invoices', ['id', 'total'], many]);
    const [, version] = await plugin.call('get', ['invoices', [integer(1)], 'id']);
    const one = query('id=eq.$1', [integer(1)], 'total');
    const remove = (version) => plugin.call('delete', ['invoices', one, version]);
    return [
      merged.count,
      merged.written,
      merged.returned.rows,
      [ignored.count, ignored.returned.rows],
      updated.returned.rows,
      [changed.count, changed.returned],
      await remove(version + 1).catch(failed),
      (await remove(version)).returned.rows,
      await remove(version).catch(failed),
    ];
  },
  [
    2,
    { version: 0, durable: false },
    [
      [{ integer: 1 }, { text: 'Ida B' }],
      [{ integer: 9 }, { text: 'Kim' }],
    ],
    [0, []],
    [
      [{ integer: 3 }, { numeric: '1.01' }],
      [{ integer: 1 }, { numeric: '1.01' }],
    ],
    [2, null],
    'constraint PT412',
    [[{ numeric: '8.00' }]],
    'constraint PT412',
  ],
  { install: ['tables'] },
);

check(
  'failures have their cases, codes and lines',
  async (db) => {
    const plugin = await accounting(db);
    const insert = (columns, rows) => plugin.call('insert', ['invoices', columns, rows, 'fail', [], null]);
    const codes = [];
    for (const [columns, row] of [
      [['id'], [integer(1)]],
      [
        ['id', 'client_id'],
        [integer(9), integer(9)],
      ],
      [
        ['id', 'total'],
        [integer(9), integer(0)],
      ],
      [['total'], [integer(1)]],
      [['id'], [integer('9223372036854775807')]],
      [['id'], [{ numeric: 'x' }]],
      [['id'], [{ boolean: true }]],
      [
        ['id', 'tags'],
        [integer(9), { array: '{a' }],
      ],
      [['nothing'], [integer(1)]],
      [
        ['id', 'id'],
        [integer(1), integer(1)],
      ],
      [['id'], []],
    ]) {
      codes.push(await insert(columns, [row]).catch(failed));
    }
    for (const asked of [
      query('id=eq.$2', [integer(1)]),
      query('id', []),
      query('', [], 'nobody(id)'),
      query('id=eq.$1', Array(101).fill(integer(1))),
    ]) {
      codes.push(await plugin.call('select', ['invoices', asked]).catch(failed));
    }
    codes.push(await plugin.call('select', ['nowhere', query('')]).catch(failed));
    const message = await insert(['id'], [[integer(1)]]).catch((error) => error.value.constraint.message);
    return [codes, message.split('\n')];
  },
  [
    [
      'constraint 23505',
      'constraint 23503',
      'constraint 23514',
      'constraint 23502',
      'invalid 22003',
      'invalid 22P02',
      'invalid 42804',
      'invalid 22P02',
      'invalid PGRST204',
      'invalid 42701',
      'invalid 42601',
      'invalid 42P02',
      'invalid PGRST100',
      'invalid PGRST200',
      'limit 54000',
      'not-found PGRST205',
    ],
    ['duplicate key value violates unique constraint "invoices_pkey"', 'DETAIL: Key (id)=(1) already exists.'],
  ],
  { install: ['tables'] },
);

check(
  'a statement that fails undoes itself and not the call',
  async (db) => {
    const columns = [
      { name: 'name', type: 'text' },
      { name: 'number', type: 'bigint' },
    ];
    await db.createTable('counters', { columns, primary_key: ['name'] });
    const code = await all(db, 'tables').call('go-on-after-an-error', ['first']);
    return [code, (await db.table('counters').order('name').rows()).map(({ name }) => name)];
  },
  ['23505', ['first', 'last']],
  { install: ['tables'] },
);

check(
  'a call on rows that lost is run again; the page may write in between',
  async (db) => {
    const columns = [
      { name: 'name', type: 'text' },
      { name: 'number', type: 'bigint' },
    ];
    await db.createTable('counters', { columns, primary_key: ['name'] });
    let interruptions = 2;
    const log = () => {
      if (interruptions-- > 0) db.table('counters').upsert({ name: 'a', number: 10 * (2 - interruptions) });
    };
    return [
      await all(db, 'tables', { log }).call('read-then-write', ['a']),
      (await db.table('counters').get('a')).row.number,
    ];
  },
  [21, 21],
  { overHttp: false },
);

check(
  'a transaction of the plugin has tables, and its handles end with it',
  async (db) => {
    await db.createTable('tasks', { columns: [{ name: 'id', type: 'bigint' }], primary_key: ['id'] });
    const tasks = all(db, 'tasks');
    const insert = (id, commits) => tasks.call('insert-row', [id, commits]).catch(failed);
    const answers = [await insert(1, false), await insert(1, true), await insert(2, true), await insert(2, true)];
    return [
      answers,
      await tasks.call('use-table-after-commit').catch(failed),
      (await db.table('tasks').order('id').rows()).map(({ id }) => id),
      (await db.stats()).snapshots,
    ];
  },
  [[[1, 0], [1, 0], [2, 1], 'constraint 23505'], 'invalid transaction-not-open', [1, 2], 0],
  { install: ['tasks'] },
);

check(
  'a plugin sees the tables that it is granted',
  async (db) => {
    await accounting(db);
    const outcome = async (grants, name, ...args) =>
      db
        .plugin(modules.tables, { grants, log: () => {} })
        .call(name, args)
        .then(() => 'done', failed);
    const read = { 'table/invoices': 'read' };
    const row = [['id'], [[integer(77)]], 'fail', [], null];
    const denied = await db
      .plugin(modules.tables, { grants: read })
      .call('open', ['clients'])
      .catch((error) => error.value['not-found'].message);
    return [
      await outcome(read, 'select', 'invoices', query('', [], 'id')),
      await outcome(read, 'insert', 'invoices', ...row),
      await outcome(read, 'update', 'invoices', query('id=eq.1'), [['total', integer(1)]], null),
      await outcome(read, 'delete', 'invoices', query('id=eq.1'), null),
      await outcome(read, 'select', 'clients', query('')),
      await outcome(read, 'select', 'invoices', query('', [], 'id,clients(name)')),
      await outcome({ 'table/*': 'read' }, 'select', 'invoices', query('', [], 'id,clients(name)')),
      await outcome({ 'table/*': 'read', 'table/invoices': 'write' }, 'insert', 'invoices', ...row),
      await outcome({ invoices: 'write' }, 'select', 'invoices', query('')),
      await outcome({}, 'select', 'invoices', query('')),
      await outcome({ 'table/a,b': 'write' }, 'open', 'a'),
      denied.replace('clients', 'nowhere') ===
        (await db
          .plugin(modules.tables, { grants: read })
          .call('open', ['nowhere'])
          .catch((error) => error.value['not-found'].message)),
    ];
  },
  [
    'done',
    'access-denied 42501',
    'access-denied 42501',
    'access-denied 42501',
    'not-found PGRST205',
    'invalid PGRST200',
    'done',
    'done',
    'not-found PGRST205',
    'not-found PGRST205',
    'argument-invalid',
    true,
  ],
  { overHttp: false },
);

check(
  'handles of tables and buckets are bounded together',
  async (db) => {
    const columns = [
      { name: 'id', type: 'bigint' },
      { name: 'text', type: 'text' },
    ];
    await db.createTable('faults', { columns, primary_key: ['id'] });
    const plugin = all(db, 'misuse-tables');
    const outcome = (name, ...args) => plugin.call(name, args).catch(failed);
    return [await outcome('hoard', 32), await outcome('hoard', 33)];
  },
  [32, 'limit handles-too-many'],
  { install: ['misuse-tables'] },
);

check(
  'what a plugin hands over that no column has is refused, as on the host',
  async (db) => {
    const types = {
      id: 'bigint',
      text: 'text',
      timestamp: 'timestamp',
      time: 'time',
      date: 'date',
      numeric: 'numeric',
      json: 'jsonb',
      array: 'integer[]',
    };
    const columns = Object.entries(types).map(([name, type]) => ({ name, type }));
    await db.createTable('faults', { columns, primary_key: ['id'] });
    const plugin = all(db, 'misuse-tables');
    const outcome = (name, ...args) => plugin.call(name, args).catch(failed);
    const answers = [];
    for (const kind of ['timestamp', 'time', 'late-time', 'date', 'late-date', 'numeric', 'json', 'array', 'text']) {
      answers.push([await outcome('odd-value', kind, true), await outcome('odd-value', kind, false)]);
    }
    return [
      answers,
      [await outcome('arguments', 100), await outcome('arguments', 101)],
      [await outcome('odd-rows', true), await outcome('odd-rows', false)],
      await outcome('far-page'),
      await outcome('deep-filter', 10_000),
    ];
  },
  [
    [
      ['invalid 22008', 0],
      ['invalid 22008', 'invalid 22008'],
      ['invalid 22008', 'invalid 22008'],
      ['invalid 22008', 'invalid 22008'],
      ['invalid 22008', 'invalid 22008'],
      ['invalid 22003', 'invalid 22003'],
      ['limit 54000', 'limit 54000'],
      ['limit 54000', 'limit 54000'],
      ['invalid 22021', 'invalid 22021'],
    ],
    [0, 'limit 54000'],
    ['invalid 42701', 'invalid 42601'],
    0,
    'limit 54000',
  ],
  { install: ['misuse-tables'] },
);

check(
  'a database without tables says so to a plugin',
  async (db) => [
    await all(db, 'order-book').call('book', [1]).catch(failed),
    await db
      .plugin(modules['order-book'], { grants: { 'table/*': 'write' } })
      .call('book', [1])
      .catch(failed),
  ],
  ['invalid 0A000', 'invalid 0A000'],
  { tables: false, overHttp: false },
);
