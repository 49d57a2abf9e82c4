// The API: every operation and what it refuses, over the page's own store and over a server.

import { checkBoth, checkRefusals, withPage } from './harness.mjs';

const bytes = (text) => [...Buffer.from(text)];
const held = withPage();
const check = (name, work, expected, options) => checkBoth(held, name, work, expected, options);

check(
  'a value is read as it was written',
  async (db) => {
    const kv = db.kv();
    const written = await kv.set('greeting', 'hello');
    return [written, toText(await kv.get('greeting')), await kv.get('nothing'), kv.bucket];
  },
  [{ version: '1n', durable: false }, 'hello', null, 'default'],
);

check(
  'a missing key, an empty value and an expired key are three things',
  async (db, clock) => {
    const kv = db.kv();
    await kv.set('empty', '');
    await kv.setWith('short', 'x', { ttlMs: 1000 });
    const before = [await kv.get('empty'), await kv.get('short'), await kv.get('missing')];
    clock.advance(1000);
    return [before, await kv.get('short'), await kv.getEntry('short')];
  },
  [[[], [120], null], null, null],
  { clock: 1_000_000 },
);

check(
  'an entry tells what is known of the value',
  async (db, clock) => {
    const kv = db.kv();
    await kv.setWith('a', '{}', { mediaType: 'application/json', ttlMs: 60_000 });
    clock.advance(1);
    await kv.set('b', 'x');
    return [await kv.getEntry('a'), await kv.getEntry('b')];
  },
  [
    { key: 'a', value: '{}', mediaType: 'application/json', version: '1n', modifiedAtMs: 5_000, expiresAtMs: 65_000 },
    {
      key: 'b',
      value: 'x',
      mediaType: 'application/octet-stream',
      version: '2n',
      modifiedAtMs: 5_001,
      expiresAtMs: null,
    },
  ].map((entry) => ({ ...entry, key: bytes(entry.key), value: bytes(entry.value) })),
  { clock: 5_000 },
);

check(
  'a document is stored as JSON, also where it has the form of a value',
  async (db) => {
    const kv = db.kv();
    const form = { value: [1], ttl: 5 };
    const written = await kv.setJson('doc', form, { expect: 'absent' });
    const refused = await kv.setJson('doc', 1, { expect: 'absent' });
    const entry = await kv.getEntry('doc');
    await kv.set('text', 'no JSON');
    await kv.set('bytes', Uint8Array.of(255));
    const failed = [];
    for (const work of [
      () => kv.setJson('doc', undefined),
      () => kv.setJson('doc', 1n),
      () => kv.getJson('text'),
      () => kv.getJson('bytes'),
    ]) {
      failed.push(await work().catch((error) => error.code));
    }
    const read = [await kv.getJson('doc'), await kv.getJson('missing')];
    return [written.written, refused.written, entry.mediaType, entry.expiresAtMs, read, failed];
  },
  [
    true,
    false,
    'application/json',
    null,
    [{ value: [1], ttl: 5 }, null],
    ['argument-invalid', 'argument-invalid', 'not-json', 'not-json'],
  ],
);

check(
  'keys and values are bytes',
  async (db) => {
    const kv = db.kv();
    const keys = [
      Uint8Array.of(0),
      Uint8Array.of(0, 0),
      Uint8Array.of(255),
      'ä',
      '\uFEFFmark',
      '.',
      '..',
      'a/../b',
      '%2F',
    ];
    for (const [index, key] of keys.entries()) await kv.set(key, Uint8Array.of(index, 0, 255));
    const values = await kv.getMany(keys);
    const { keys: sorted } = await kv.scanKeys();
    return [
      values.map((value) => value[0]),
      sorted.length,
      sorted[0],
      sorted.at(-1),
      toText(sorted.at(-2)) === '\uFEFFmark',
    ];
  },
  [[0, 1, 2, 3, 4, 5, 6, 7, 8], 9, [0], [255], true],
);

check(
  'what is returned does not change with the store',
  async (db) => {
    const kv = db.kv();
    await kv.set('a', 'first');
    const value = await kv.get('a');
    const page = await kv.scan();
    await kv.set('a', 'second');
    for (let i = 0; i < 100; i++) await kv.set(`filler${i}`, new Uint8Array(1_000));
    return [toText(value), toText(page.entries[0].value), toText(await kv.get('a'))];
  },
  ['first', 'first', 'second'],
);

check(
  'a conditional write says what it found',
  async (db) => {
    const kv = db.kv();
    const brief = (outcome) => (outcome.written ? outcome.version : (outcome.current?.version ?? null));
    return [
      brief(await kv.setWith('a', '1', { expect: 'present' })),
      brief(await kv.setWith('a', '1', { expect: 'absent' })),
      brief(await kv.setWith('a', '2', { expect: 'absent' })),
      brief(await kv.setWith('a', '2', { expect: { version: 7n } })),
      brief(await kv.setWith('a', '2', { expect: { version: 1n } })),
      brief(await kv.setWith('a', '3', { expect: 'present' })),
      brief(await kv.deleteIf('a', 'absent')),
      brief(await kv.deleteIf('a', { version: 2n })),
      brief(await kv.deleteIf('a', { version: 3n })),
      brief(await kv.deleteIf('a', 'anything')),
      toText((await kv.setWith('b', 'x', {}), await kv.setWith('b', 'y', { expect: 'absent' })).current.value),
    ];
  },
  [null, '1n', '1n', '1n', '2n', '3n', '3n', '3n', '4n', '4n', 'x'],
);

check(
  'deleting tells whether there was something, and of which commit',
  async (db) => {
    const kv = db.kv();
    await kv.set('a', '1');
    return [await kv.delete('a'), await kv.delete('a'), await kv.delete('.'), await kv.get('a')];
  },
  [
    { existed: true, version: '2n', durable: false },
    { existed: false, version: '2n', durable: false },
    { existed: false, version: '2n', durable: false },
    null,
  ],
);

check(
  'numbers are added to over the whole range',
  async (db) => {
    const kv = db.kv();
    return [
      await kv.increment('n'),
      (await kv.increment('n', 41)).number,
      (await kv.increment('n', -50n)).number,
      (await kv.increment('big', 2n ** 63n - 1n)).number,
      toText(await kv.get('big')),
      (await kv.getEntry('n')).mediaType,
    ];
  },
  [
    { number: '1n', version: '1n', durable: false },
    '42n',
    '-8n',
    '9223372036854775807n',
    '9223372036854775807',
    'text/plain; charset=utf-8',
  ],
);

check(
  'keys come in order, a page at a time, both ways',
  async (db) => {
    const kv = db.kv();
    for (const key of ['b/2', 'a', 'b/1', 'c', 'b/3']) await kv.set(key, key.toUpperCase());
    const texts = ({ keys }) => keys.map(toText).join(' ');
    const pages = async (options) => {
      const shown = [];
      let cursor = null;
      do {
        const page = await kv.scanKeys({ ...options, cursor });
        shown.push(texts(page));
        cursor = page.cursor;
      } while (cursor !== null);
      return shown;
    };
    const all = [];
    for await (const entry of kv.entries({ limit: 2 })) all.push(toText(entry.value));
    return [
      await pages({}),
      await pages({ limit: 2 }),
      await pages({ limit: 2, reverse: true }),
      await pages({ prefix: 'b/', limit: 2 }),
      await pages({ prefix: 'b/', reverse: true }),
      await pages({ start: 'b', end: 'b/3' }),
      await pages({ start: 'b/3' }),
      await pages({ end: 'b' }),
      await pages({ prefix: 'z' }),
      all,
      [await kv.count(), await kv.count({ prefix: 'b/' }), await kv.count({ start: 'c' })],
    ];
  },
  [
    ['a b/1 b/2 b/3 c'],
    ['a b/1', 'b/2 b/3', 'c'],
    ['c b/3', 'b/2 b/1', 'a'],
    ['b/1 b/2', 'b/3'],
    ['b/3 b/2 b/1'],
    ['b/1 b/2'],
    ['b/3 c'],
    ['a'],
    [''],
    ['A', 'B/1', 'B/2', 'B/3', 'C'],
    [5, 3, 1],
  ],
);

check(
  'the pages of a scan show one moment',
  async (db) => {
    const kv = db.kv();
    for (const key of ['a', 'b', 'c']) await kv.set(key, 'old');
    const first = await kv.scan({ limit: 1 });
    await kv.set('b', 'new');
    await kv.delete('c');
    const second = await kv.scan({ limit: 10, cursor: first.cursor });
    return second.entries.map(({ key, value }) => [toText(key), toText(value)]);
  },
  [
    ['b', 'old'],
    ['c', 'old'],
  ],
);

check(
  'a span is deleted',
  async (db) => {
    const kv = db.kv();
    await kv.apply(
      Array.from({ length: 2_500 }, (_, n) => ({ op: 'set', key: `n/${String(n).padStart(4, '0')}`, value: '' })),
    );
    await kv.set('other', '');
    return [
      await kv.deleteSpan({ start: 'n/0000', end: 'n/0010' }),
      await kv.deleteSpan({ prefix: 'n/' }),
      await kv.count(),
      await kv.deleteSpan({}),
      await kv.count(),
      await kv.deleteSpan({}),
      await kv.deleteSpan({ start: 'a' }),
    ];
  },
  [
    { keys: 10, version: '3n', durable: false },
    { keys: 2_490, version: '6n', durable: false },
    1,
    { keys: 1, version: '7n', durable: false },
    0,
    { keys: 0, version: '7n', durable: false },
    { keys: 0, version: '7n', durable: false },
  ],
);

check(
  'a batch is done in order, and tells of each operation',
  async (db) => {
    const kv = db.kv();
    await kv.set('old', '1');
    const applied = await kv.apply([
      { op: 'set', key: 'a', value: 'x', mediaType: 'text/html', expect: 'absent' },
      { op: 'get', key: 'a' },
      { op: 'get', key: 'nothing' },
      { op: 'increment', key: 'n', by: 3 },
      { op: 'increment', key: 'n' },
      { op: 'delete', key: 'old', expect: { version: 1n } },
      { op: 'delete', key: 'old' },
      { op: 'check', key: 'old', expect: 'absent' },
      { op: 'delete-span', span: { prefix: 'a' } },
    ]);
    const read = applied.results[1].entry;
    applied.results[1] = [toText(read.value), read.mediaType, read.version];
    return [applied, await kv.get('a')];
  },
  [
    {
      committed: true,
      version: '2n',
      durable: false,
      results: [
        { op: 'set' },
        ['x', 'text/html', '0n'],
        { op: 'get', entry: null },
        { op: 'increment', number: '3n' },
        { op: 'increment', number: '4n' },
        { op: 'delete', deleted: 1 },
        { op: 'delete', deleted: 0 },
        { op: 'check' },
        { op: 'delete-span', deleted: 1 },
      ],
    },
    null,
  ],
);

check(
  'a batch that is refused writes nothing and names every refusal',
  async (db) => {
    const kv = db.kv();
    await kv.set('a', '1');
    const applied = await kv.apply([
      { op: 'set', key: 'b', value: '2' },
      { op: 'check', key: 'a', expect: 'absent' },
      { op: 'delete', key: 'c', expect: 'present' },
    ]);
    const refusals = applied.refusals.map(({ index, current }) => [index, current && toText(current.value)]);
    return [applied.committed, refusals, await kv.get('b')];
  },
  [
    false,
    [
      [1, '1'],
      [2, null],
    ],
    null,
  ],
);

checkRefusals(held, 'what can never be right is refused by name', [
  ["db.kv().get('')", 'key-empty', 'invalid'],
  ["db.kv().set(new Uint8Array(4097), '')", 'key-too-long', 'limit'],
  ["db.kv().set('a', new Uint8Array((16 << 20) + 1))", 'value-too-large', 'limit'],
  ["db.kv('No').get('a')", 'bucket-name-invalid', 'invalid'],
  ["db.kv('..').get('a')", 'bucket-name-invalid', 'invalid'],
  ["db.kv().setWith('a', '', { ttlMs: 0 })", 'ttl-invalid', 'invalid'],
  ["db.kv().setWith('a', '', { ttlMs: 1.5 })", 'ttl-invalid', 'invalid'],
  ["db.kv().setWith('a', '', { ttlMs: 1e13 })", 'ttl-invalid', 'invalid'],
  ["db.kv().setWith('a', '', { mediaType: 'a\\n' })", 'media-type-invalid', 'invalid'],
  ["db.kv().setWith('a', '', { expect: 'maybe' })", 'argument-invalid', 'invalid'],
  ["db.kv().setWith('a', '', { expect: { version: 2n ** 64n } })", 'argument-invalid', 'invalid'],
  ["db.kv().set('a', 5)", 'argument-invalid', 'invalid'],
  ["db.kv().increment('a', 0.5)", 'argument-invalid', 'invalid'],
  ["db.kv().increment('a', 2n ** 63n)", 'argument-invalid', 'invalid'],
  ["db.kv().set('a', 'x').then(() => db.kv().increment('a'))", 'not-an-integer', 'constraint'],
  ["db.kv().set('a', '9223372036854775807').then(() => db.kv().increment('a'))", 'integer-overflow', 'constraint'],
  ['db.kv().scan({ limit: 0 })', 'limit-out-of-range', 'invalid'],
  ['db.kv().scan({ limit: 1001 })', 'limit-out-of-range', 'invalid'],
  ["db.kv().scan({ limit: 'many' })", 'limit-out-of-range', 'invalid'],
  ["db.kv().scan({ cursor: '?' })", 'cursor-invalid', 'invalid'],
  ["db.kv().scan({ cursor: 'AAAA' })", 'cursor-invalid', 'invalid'],
  ["db.kv().scan({ prefix: 'a', start: 'b' })", 'argument-invalid', 'invalid'],
  ["db.kv().getMany(Array(1001).fill('a'))", 'keys-too-many', 'limit'],
  ["db.kv().apply(Array(10001).fill({ op: 'get', key: 'a' }))", 'operations-too-many', 'limit'],
  ["db.kv().apply([{ op: 'drop', key: 'a' }])", 'argument-invalid', 'invalid'],
  ["db.dropBucket('none')", 'bucket-not-found', 'not-found'],
  ["db.dropBucket('default')", 'bucket-reserved', 'invalid'],
  ["db.changes({ since: 'nonsense' }).next()", 'cursor-invalid', 'invalid'],
  ["db.changes({ since: '0000000000000000-5' }).next()", 'compacted', 'compacted'],
]);

check(
  'the store has a bound',
  async () => {
    const db = await open({ storeBytesMax: 10_000 });
    const written = [];
    try {
      for (let n = 0; n < 20; n++) written.push(await db.kv().set(`k${n}`, new Uint8Array(1_000)));
    } catch (error) {
      await db.kv().delete('k0');
      return [error.code, error.kind, written.length > 5];
    }
  },
  ['store-full', 'limit', true],
  { overHttp: false },
);

check(
  'buckets are apart',
  async (db) => {
    await db.kv('one').set('a', '1');
    await db.kv('two').set('a', '2');
    await db.kv('two').set('b', '2');
    const names = (await db.buckets()).map(({ name, keys }) => [name, keys]);
    const values = [toText(await db.kv('one').get('a')), toText(await db.kv('two').get('a')), await db.kv().get('a')];
    const dropped = await db.dropBucket('two');
    return [names, values, dropped, await db.kv('two').get('a'), (await db.buckets()).length];
  },
  [
    [
      ['default', 0],
      ['one', 1],
      ['two', 2],
    ],
    ['1', '2', null],
    // Of its two commits the first takes the bucket away, and the last the keys that it had.
    { keys: 2, version: '5n', durable: false },
    null,
    2,
  ],
);

check(
  'figures add up',
  async (db) => {
    await db.kv().set('a', 'x');
    await db.kv().set('a', 'y');
    const { keys, commits, version, conflicts } = await db.stats();
    return [keys, commits, version, conflicts];
  },
  [1, 2, 2, 0],
);

check(
  'housekeeping removes what has expired',
  async (db, clock) => {
    await db.kv().setWith('a', 'x', { ttlMs: 10 });
    clock.advance(10);
    db.maintain();
    const { keys, expired } = await db.stats();
    return [keys, expired, db.nowMs()];
  },
  [0, 1, 1_010],
  { clock: 1_000 },
);

check(
  'a timer does the housekeeping',
  async (db) => {
    await db.kv().setWith('a', 'x', { ttlMs: 1 });
    for (let n = 0; n < 100; n++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if ((await db.stats()).expired === 1) return 'removed';
    }
    return 'still there';
  },
  'removed',
  { overHttp: false },
);

check(
  'a closed database says so',
  async (db) => {
    const feed = db.changes();
    const waiting = feed.next();
    await db.close();
    await db.close();
    const refused = await db
      .kv()
      .get('a')
      .catch((error) => error.code);
    return [refused, (await waiting).done];
  },
  ['closed', true],
  { overHttp: false },
);

check(
  'a clock that fails leaves the time where it was',
  async () => {
    let broken = false;
    const db = await open({
      clock: () => {
        if (broken) throw new Error('no time');
        return 7_000;
      },
    });
    await db.kv().set('a', '');
    broken = true;
    await db.kv().set('b', '');
    return [(await db.kv().getEntry('b')).modifiedAtMs, db.nowMs()];
  },
  [7_000, 7_000],
  { overHttp: false },
);

check(
  'two databases in one page are apart',
  async (db) => {
    const other = await open();
    await db.kv().set('a', '1');
    const found = await other.kv().get('a');
    await other.close();
    return found;
  },
  null,
  { overHttp: false },
);

check(
  'a text is the bytes that it stands for',
  async (db) => [
    toBytes('ä€'),
    toText(Uint8Array.of(0xef, 0xbb, 0xbf, 65)).length,
    toText(fromBase64(toBase64(toBytes('x')))),
  ],
  [[195, 164, 226, 130, 172], 2, 'x'],
  { overHttp: false },
);
