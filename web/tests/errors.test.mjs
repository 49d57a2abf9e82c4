// Errors and arguments at the edges: other realms, workers, copies of the library, texts that are none, closed databases.

import { checkBoth, checkRefusals, withPage } from './harness.mjs';

const held = withPage(({ page }) =>
  page.evaluate(async () => {
    window.books = {
      columns: [
        { name: 'id', type: 'bigint', identity: true },
        { name: 'title', type: 'text' },
        { name: 'cover', type: 'bytea' },
        { name: 'on', type: 'date' },
      ],
      primary_key: ['id'],
    };
    const frame = document.createElement('iframe');
    document.body.append(frame);
    window.realm = frame.contentWindow;
    window.types = (await import('/tests/dist/types/plugin.js')).default;
    /** The answer of another copy of the library, in a worker: what it posts. */
    window.inWorker = async (work) => {
      const script = `import * as mantisdb from '${location.origin}/dist/mantisdb.js';
        Object.assign(globalThis, mantisdb);
        (${work})().then((answer) => postMessage(answer), (error) => postMessage(String(error)));`;
      const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
      const worker = new Worker(url, { type: 'module' });
      try {
        return await new Promise((resolve, reject) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = reject;
        });
      } finally {
        worker.terminate();
        URL.revokeObjectURL(url);
      }
    };
  }),
);
const check = (name, work, expected, options) => checkBoth(held, name, work, expected, options);

check(
  'an error is known in another realm, in another copy of the library, as data and as a clone',
  async (db) => {
    const error = await db
      .kv('No')
      .get('a')
      .catch((error) => error);
    const other = await import('/dist/mantisdb.js?other');
    const far = realm.Object.assign(new realm.Error('there'), {
      name: 'MantisError',
      code: 'conflict',
      kind: 'conflict',
    });
    const clone = structuredClone(error);
    const posted = await inWorker(async () => {
      const db = await open();
      const error = await db
        .kv()
        .get('')
        .catch((error) => error);
      return { error, data: error.toJSON() };
    });
    const revived = MantisError.from(posted.data);
    return [
      [MantisError.is(error), error instanceof MantisError, error instanceof Error],
      [other.MantisError !== MantisError, other.MantisError.is(error), error instanceof other.MantisError],
      MantisError.is(far),
      [MantisError.is(clone), clone.code, clone.kind, clone.name],
      [MantisError.is(posted.error), posted.error.code, posted.error.kind],
      [MantisError.is(posted.data), revived instanceof Error, revived.code, revived.kind, revived.message],
      JSON.parse(JSON.stringify(error)).code,
      [new Error('x'), new TypeError('x'), null, undefined, 'conflict', { code: 'a', kind: 'b' }].map(MantisError.is),
    ];
  },
  [
    [true, true, true],
    [true, true, true],
    true,
    [true, 'bucket-name-invalid', 'invalid', 'MantisError'],
    [true, 'key-empty', 'invalid'],
    [true, true, 'key-empty', 'invalid', 'A key has at least one byte.'],
    'bucket-name-invalid',
    Array(6).fill(false),
  ],
);

const lone = String.raw`'\ud800'`;
checkRefusals(
  held,
  'half of a surrogate pair is no text, wherever it stands',
  [
    `db.kv().set(${lone}, '')`,
    `db.kv().set('a', ${lone} + 'b')`,
    `db.kv().get('a' + ${lone})`,
    String.raw`db.kv().get('\udc00\ud800')`,
    `db.kv().getMany(['a', ${lone}])`,
    `db.kv().delete(${lone})`,
    `db.kv().increment(${lone})`,
    `db.kv().scan({ prefix: ${lone} })`,
    `db.kv().count({ start: ${lone} })`,
    `db.kv().deleteSpan({ end: ${lone} })`,
    `db.kv().apply([{ op: 'set', key: 'a', value: ${lone} }])`,
    `db.changes({ prefix: ${lone} }).next()`,
    `db.batch([{ op: 'set', key: ${lone}, value: '' }])`,
    `db.batch([{ op: 'insert', table: 'books', rows: { title: ${lone} } }])`,
    `db.batch([{ op: 'select', table: ${lone} }])`,
    `db.batch([{ op: 'delete', table: 'books', filter: 'title=eq.$1', arguments: [${lone}] }])`,
    `db.batch([{ op: 'delete', table: 'books', filter: 'title=eq.' + ${lone} }])`,
    `db.table(${lone}).rows()`,
    `db.table('books').where('title', 'eq', ${lone}).rows()`,
    `db.table('books').where('title', 'in', ['a', ${lone}]).count()`,
    `db.table('books').where({ any: [['title', 'eq', ${lone}]] }).delete()`,
    `db.table('books').select(${lone}).rows()`,
    `db.table('books').order(${lone}).rows()`,
    `db.table('books').get(${lone})`,
    `db.table('books').insert({ title: ${lone} })`,
    `db.table('books').insert({ title: { a: [${lone}] } })`,
    `db.table('books').insert({ [${lone}]: 1 })`,
    `db.table('books').where('id', 'eq', 1).update({ title: ${lone} })`,
    `db.table('books').where('title', 'eq', ${lone}).changes().next()`,
    `db.createTable(${lone}, books)`,
    `db.createTable('other', { ...books, comment: ${lone} })`,
    `db.describeTable(${lone})`,
    `db.dropTable(${lone})`,
  ].map((call) => [call, 'argument-invalid', 'invalid']),
  { tables: true },
);

checkRefusals(
  held,
  'nor is it one among the arguments of a plugin',
  [
    [`db.plugin(types).call('echo-string', [${lone}])`, 'arguments-invalid', 'invalid'],
    [`db.plugin(types).call('echo-bytes', [${lone}])`, 'arguments-invalid', 'invalid'],
    [`db.plugin(types).call('echo-char', [${lone}])`, 'arguments-invalid', 'invalid'],
    ["db.plugin(types).call('echo-string', [5n])", 'arguments-invalid', 'invalid'],
    ["db.plugin(types).call('echo-string', null)", 'arguments-invalid', 'invalid'],
  ],
  { install: ['types'] },
);

check(
  'whole surrogate pairs are text',
  async (db) => {
    await db.kv().set('🦗', '🦗');
    return [toText(await db.kv().get('🦗')), (await db.kv().scanKeys()).keys.length];
  },
  ['🦗', 1],
);

checkRefusals(
  held,
  'what is of the wrong type is refused by name, and harms nothing',
  [
    ['db.kv().set(null, 1)', 'argument-invalid', 'invalid'],
    ["db.kv().set('a', [1, 2])", 'argument-invalid', 'invalid'],
    ['db.kv().scan(null)', 'argument-invalid', 'invalid'],
    ["db.kv().setWith('a', '', null)", 'argument-invalid', 'invalid'],
    ["db.kv().setWith('a', '', { mediaType: 5 })", 'media-type-invalid', 'invalid'],
    ["db.kv().getMany('ab')", 'argument-invalid', 'invalid'],
    ['db.kv().apply({})', 'argument-invalid', 'invalid'],
    ['db.kv().apply([null])', 'argument-invalid', 'invalid'],
    ['db.kv(5).get("a")', 'bucket-name-invalid', 'invalid'],
    ['db.batch(null)', 'argument-invalid', 'invalid'],
    ['db.batch([null])', 'argument-invalid', 'invalid'],
    ['db.table(5).rows()', 'argument-invalid', 'invalid'],
    ["db.table('books').insert(null)", 'argument-invalid', 'invalid'],
    ["db.table('books').insert({ on: new Date(NaN) })", 'argument-invalid', 'invalid'],
    [
      "db.table('books').insert((() => { const row = {}; row.title = row; return row; })())",
      'argument-invalid',
      'invalid',
    ],
    ["db.transaction({ isolation: 'none' })", 'argument-invalid', 'invalid'],
    ['db.changes({ since: 5 }).next()', 'cursor-invalid', 'invalid'],
    ["db.changes({ bucket: 'No' }).next()", 'bucket-name-invalid', 'invalid'],
    ["db.kv().set('b', structuredClone(new ArrayBuffer(2), {}).constructor)", 'argument-invalid', 'invalid'],
  ],
  { tables: true },
);

check(
  'what was refused leaves the database as it was',
  async (db) => {
    await db.kv().set('a', '1');
    for (const call of [() => db.kv().set(null, 1), () => db.kv('a b').get('a'), () => db.table(5).rows()]) {
      await call().catch(() => {});
    }
    await db.kv().set('b', '2');
    return (await db.kv().getMany(['a', 'b'])).map(toText);
  },
  ['1', '2'],
  { tables: true },
);

check(
  'arrays and buffers of another realm are bytes, whatever their view',
  async (db) => {
    const kv = db.kv();
    const values = [
      realm.Uint8Array.of(1, 2),
      realm.Uint8Array.of(0, 3, 4, 0).subarray(1, 3),
      realm.Uint8Array.of(5, 6).buffer,
      new realm.DataView(realm.Uint8Array.of(7, 8, 9).buffer, 1),
      Uint8Array.of(10).buffer,
      new DataView(Uint8Array.of(11, 12).buffer),
      Uint16Array.of(0x0e0d),
      new realm.Uint8ClampedArray([300]),
    ];
    const read = [];
    for (const value of values) {
      await kv.set('a', value);
      read.push(await kv.get('a'));
    }
    await kv.set(realm.Uint8Array.of(107), 'by bytes');
    await db.createTable('books', books);
    const table = db.table('books');
    await table.insert({ cover: realm.Uint8Array.of(1, 255), on: new realm.Date(Date.UTC(2024, 1, 29)) });
    const [row] = await table.where('cover', 'eq', realm.Uint8Array.of(1, 255).buffer).select('cover', 'on').rows();
    return [read, toText(await kv.get('k')), row];
  },
  [
    [[1, 2], [3, 4], [5, 6], [8, 9], [10], [11, 12], [13, 14], [255]],
    'by bytes',
    { cover: '\\x01ff', on: '2024-02-29' },
  ],
  { tables: true },
);

check(
  'bytes of answers have memory of their own, which the page takes everywhere',
  async (db) => {
    const kv = db.kv();
    const feed = db.changes();
    await feed.ready;
    await kv.set('a', 'hello');
    const change = (await feed.next()).value;
    await feed.return();
    const entry = await kv.getEntry('a');
    const all = [
      await kv.get('a'),
      entry.value,
      entry.key,
      (await kv.getMany(['a']))[0],
      (await kv.scan()).entries[0].value,
      (await kv.scanKeys()).keys[0],
      (await kv.apply([{ op: 'get', key: 'a' }])).results[0].entry.value,
      change.key,
      change.value,
      toBytes('x'),
      fromBase64('aGk='),
    ];
    const taken = [];
    for (const bytes of all) {
      const { byteLength } = await crypto.subtle.digest('SHA-256', bytes);
      const texts = [await new Blob([bytes]).text(), await new Response(bytes).text()];
      taken.push(
        bytes.constructor === Uint8Array &&
          bytes.buffer.constructor === ArrayBuffer &&
          byteLength === 32 &&
          texts.every((text) => text === toText(bytes)),
      );
    }
    return taken;
  },
  Array(11).fill(true),
);

check(
  'after close every call says so, and feeds end',
  async (db) => {
    const kv = db.kv();
    const transaction = await db.transaction();
    const feed = db.changes();
    await feed.ready;
    const waiting = feed.next();
    await db.close();
    await db.close();
    const ended = (await waiting).done;
    const calls = [
      () => kv.get('a'),
      () => kv.set('a', ''),
      () => kv.apply([{ op: 'get', key: 'a' }]),
      () => kv.scan(),
      () => db.stats(),
      () => db.buckets(),
      () => db.dropBucket('a'),
      () => db.transaction(),
      () => db.transact(async () => {}),
      () => db.batch([{ op: 'get', key: 'a' }]),
      () => db.table('books').rows(),
      () => db.table('books').insert({ title: 'a' }),
      () => db.tables(),
      () => db.createTable('books', books),
      () => db.plugin(types).call('echo-bool', [true]),
      () => db.changes().next(),
      () => db.changes().ready,
      () => db.table('books').changes().next(),
      () => transaction.kv().get('a'),
      () => transaction.commit(),
    ];
    const codes = [];
    for (const call of calls)
      codes.push(
        await call().then(
          () => 'done',
          ({ code }) => code,
        ),
      );
    await transaction.rollback();
    return [ended, [...new Set(codes)]];
  },
  [true, ['closed']],
  { tables: true },
);
