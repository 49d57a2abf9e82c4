// The change feed of a table. Over the page's own store and over a server.

import { checkBoth, withPage } from './harness.mjs';

const held = withPage(({ page }) =>
  page.evaluate(() => {
    window.orders = {
      columns: [
        { name: 'id', type: 'bigint', identity: true },
        { name: 'status', type: 'text' },
        { name: 'since', type: 'text' },
        { name: 'total', type: 'numeric(10,2)' },
      ],
      primary_key: ['id'],
    };
    /** So many of the next changes. */
    window.take = async (feed, count) => {
      const taken = [];
      while (taken.length < count) taken.push((await feed.next()).value);
      return taken;
    };
    /** What a change is about, without what differs from run to run. */
    window.told = ({ kind, key, row, old, matches, schema, schemaVersion }) =>
      schema === undefined
        ? [kind, key, row, old, matches, schemaVersion]
        : [kind, schema?.columns.map(({ name }) => name) ?? null, schemaVersion];
  }),
);
const check = (name, work, expected, options = {}) =>
  checkBoth(held, name, work, expected, { tables: true, ...options });

check(
  'a change of a row tells what it was and is, and which of the two the filter selects',
  async (db) => {
    await db.createTable('orders', { ...orders, changes: 'full' });
    const table = db.table('orders');
    const feed = table.where('status', 'eq', 'paid').select('id', 'total').changes();
    await feed.ready;
    const { version } = await table.insert([
      { status: 'paid', total: '1.5' },
      { status: 'open', total: 2 },
    ]);
    await table.updateRow(2, { status: 'paid' });
    await table.updateRow(1, { status: 'sent' });
    await table.deleteRow(2);
    const changes = await take(feed, 4);
    await feed.return();
    const [first, second] = changes;
    return [
      changes.map(told),
      [first.table, first.version === version, first.previousVersion, typeof first.timeMs, typeof first.cursor],
      second.previousVersion === version,
      [first.json, second.json.old],
    ];
  },
  [
    [
      ['insert', { id: 1 }, { id: 1, total: 1.5 }, null, { old: false, new: true }, 1],
      ['update', { id: 2 }, { id: 2, total: 2 }, { id: 2, total: 2 }, { old: false, new: true }, 1],
      ['update', { id: 1 }, { id: 1, total: 1.5 }, { id: 1, total: 1.5 }, { old: true, new: false }, 1],
      ['delete', { id: 2 }, null, { id: 2, total: 2 }, { old: true, new: false }, 1],
    ],
    ['orders', true, null, 'number', 'string'],
    true,
    [{ key: '{"id":1}', row: '{"id":1,"total":1.50}', old: null }, '{"id":2,"total":2.00}'],
  ],
);

check(
  'a row that is written while a change is with the caller is shown, by every feed',
  async (db) => {
    await db.createTable('orders', orders);
    const table = db.table('orders');
    const feeds = [table.changes(), table.where('status', 'eq', 'paid').changes(), db.changes({ bucket: 'default' })];
    await Promise.all(feeds.map((feed) => feed.ready));
    const shown = feeds.map(() => 0);
    const read = feeds.map(async (feed, index) => {
      for await (const _ of feed) if (++shown[index] === 50) return;
    });
    for (let n = 0; n < 50; n++) {
      await table.insert({ status: 'paid' });
      await db.kv().set(`k${n}`, '');
    }
    await Promise.race([Promise.all(read), new Promise((resolve) => setTimeout(resolve, 5_000))]);
    return shown;
  },
  [50, 50, 50],
);

check(
  'without old rows a change is shown where it is not known what the filter selected',
  async (db) => {
    await db.createTable('orders', orders);
    const table = db.table('orders');
    const feeds = [table.where('status', 'eq', 'paid'), table.where('id', 'eq', 2)].map((query) => query.changes());
    await Promise.all(feeds.map((feed) => feed.ready));
    await table.insert([{ status: 'open' }, { status: 'paid' }]);
    await table.updateRow(1, { status: 'sent' });
    await table.deleteRow(2);
    const short = ({ kind, key, old, matches }) => [kind, key.id, old, matches];
    return [(await take(feeds[0], 3)).map(short), (await take(feeds[1], 2)).map(short)];
  },
  [
    [
      ['insert', 2, null, { old: false, new: true }],
      ['update', 1, null, { old: null, new: false }],
      ['delete', 2, null, { old: null, new: false }],
    ],
    [
      ['insert', 2, null, { old: false, new: true }],
      ['delete', 2, null, { old: true, new: false }],
    ],
  ],
);

check(
  'definitions change in the feed too, and rows are shown by that of their time',
  async (db) => {
    await db.createTable('orders', orders);
    const table = db.table('orders');
    const feed = table.changes({ since: 'earliest' });
    await table.insert({ status: 'paid' });
    await db.alterTable('orders', { add_columns: [{ name: 'note', type: 'text' }], drop_columns: ['since'] });
    await table.insert({ status: 'open', note: 'n' });
    await db.createTable('others', orders);
    await db.dropTable('orders');
    return (await take(feed, 5)).map(told);
  },
  [
    ['create', ['id', 'status', 'since', 'total'], 1],
    ['insert', { id: 1 }, { id: 1, status: 'paid', since: null, total: null }, null, { old: false, new: true }, 1],
    ['alter', ['id', 'status', 'total', 'note'], 2],
    ['insert', { id: 2 }, { id: 2, status: 'open', total: null, note: 'n' }, null, { old: false, new: true }, 2],
    ['drop', null, 2],
  ],
);

check(
  'a feed goes on after a cursor, and from the oldest change',
  async (db) => {
    await db.createTable('orders', orders);
    const table = db.table('orders');
    await table.insert([{ status: 'a' }, { status: 'b' }, { status: 'c' }]);
    const [, first] = await take(table.changes({ since: 'earliest' }), 2);
    const rest = await take(table.select('status').changes({ since: first.cursor }), 2);
    return [first.row.status, rest.map(({ row }) => row)];
  },
  ['a', [{ status: 'b' }, { status: 'c' }]],
);

check(
  'a column with the name of a parameter of the feed is a column',
  async (db) => {
    await db.createTable('orders', orders);
    const table = db.table('orders');
    const feed = table.where('since', 'eq', 'a,(b) "c"').where('since', 'in', ['x', 'a,(b) "c"']).changes();
    await feed.ready;
    await table.insert([{ since: 'x' }, { since: 'a,(b) "c"' }]);
    return (await take(feed, 1)).map(({ key, row }) => [key.id, row.since]);
  },
  [[2, 'a,(b) "c"']],
);

check(
  'a feed waits for what comes, passes over other tables, and ends when it is left',
  async (db) => {
    await db.createTable('orders', orders);
    await db.createTable('others', orders);
    const table = db.table('orders');
    const feed = table.changes();
    await feed.ready;
    setTimeout(async () => {
      await db.table('others').insert({ status: 'other' });
      await db.kv().set('a', '');
      await table.insert({ status: 'late' });
    }, 100);
    let found;
    for await (const change of feed) {
      found = change.row.status;
      break;
    }
    return [found, (await feed.next()).done];
  },
  ['late', true],
);

check(
  'it ends when it is told to, also while it waits',
  async (db) => {
    await db.createTable('orders', orders);
    const stop = new AbortController();
    const feed = db.table('orders').changes({ signal: stop.signal });
    await feed.ready;
    const next = feed.next();
    stop.abort();
    return (await next).done;
  },
  true,
);

check(
  'what a feed cannot show is refused when it is asked for',
  async (db) => {
    await db.createTable('orders', orders);
    const table = db.table('orders');
    const outcome = async (feed) => {
      const [error, again] = await Promise.all([
        feed.ready.catch((error) => error),
        feed.next().catch((error) => error),
      ]);
      return [error?.code, error?.kind, again?.code === error?.code];
    };
    const transaction = await db.transaction();
    let inside;
    try {
      inside = transaction.table('orders').changes();
    } catch (error) {
      inside = error.code;
    }
    await transaction.rollback();
    return [
      await outcome(db.table('nowhere').changes()),
      await outcome(table.order('id').changes()),
      await outcome(table.limit(1).changes()),
      await outcome(table.select('id,others(id)').changes()),
      await outcome(table.select('total.sum()').changes()),
      await outcome(table.where('nothing', 'eq', 1).changes()),
      await outcome(table.where('id', 'eq', 'x').changes()),
      await outcome(table.parameter('status', 'paid').changes()),
      await outcome(table.changes({ since: 'made-up' })),
      inside,
    ];
  },
  [
    ['PGRST205', 'not-found', true],
    ['PGRST127', 'invalid', true],
    ['PGRST127', 'invalid', true],
    ['PGRST127', 'invalid', true],
    ['PGRST127', 'invalid', true],
    ['42703', 'invalid', true],
    ['22P02', 'invalid', true],
    ['PGRST100', 'invalid', true],
    ['cursor-invalid', 'invalid', true],
    'argument-invalid',
  ],
);

check(
  'a feed whose filter lost its column ends with an error',
  async (db) => {
    await db.createTable('orders', orders);
    const table = db.table('orders');
    const feed = table.where('since', 'eq', 'a').changes();
    await feed.ready;
    await db.alterTable('orders', { drop_columns: ['since'] });
    await table.insert({ status: 'a' });
    const seen = [];
    try {
      for await (const change of feed) seen.push(change.kind);
    } catch (error) {
      return [seen, error.code, error.kind];
    }
  },
  [['alter'], '42703', 'invalid'],
);

check(
  'a database without tables has no feed of them',
  async (db) => {
    const feed = db.table('orders').changes();
    return [await feed.ready.catch((error) => error), await feed.next().catch((error) => error)];
  },
  [
    { code: '0A000', kind: 'invalid' },
    { code: '0A000', kind: 'invalid' },
  ],
  { tables: false, overHttp: false },
);
