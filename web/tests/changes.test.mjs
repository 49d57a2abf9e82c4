// The change feed. Over the page's own store and over a server.

import { checkBoth, withPage } from './harness.mjs';

const held = withPage();
const check = (name, work, expected, options) => checkBoth(held, name, work, expected, options);

check(
  'a change tells what happened',
  async (db) => {
    const feed = db.changes();
    await feed.ready;
    await db.kv('log').setWith('a', 'x', { mediaType: 'text/plain', ttlMs: 5_000 });
    await db.kv('log').set('a', 'y');
    await db.kv('log').delete('a');
    const changes = [];
    for (let n = 0; n < 3; n++) {
      const { value } = await feed.next();
      changes.push({ ...value, cursor: typeof value.cursor });
    }
    await feed.return();
    return changes;
  },
  [
    { kind: 'put', value: [120], mediaType: 'text/plain', expiresAtMs: 14_000, version: '1n', previousVersion: null },
    {
      kind: 'put',
      value: [121],
      mediaType: 'application/octet-stream',
      expiresAtMs: null,
      version: '2n',
      previousVersion: '1n',
    },
    { kind: 'delete', value: null, mediaType: null, expiresAtMs: null, version: '3n', previousVersion: '2n' },
  ].map((change) => ({ ...change, bucket: 'log', key: [97], timeMs: 9_000, cursor: 'string' })),
  { clock: 9_000 },
);

check(
  'a feed waits for what comes',
  async (db) => {
    setTimeout(() => db.kv().set('late', ''), 100);
    for await (const change of db.changes()) return toText(change.key);
  },
  'late',
);

check(
  'what is committed while a change is with the caller is shown, by every feed',
  async (db) => {
    const feeds = [db.changes(), db.changes(), db.changes({ prefix: 'k' })];
    await Promise.all(feeds.map((feed) => feed.ready));
    const shown = feeds.map(() => 0);
    const read = feeds.map(async (feed, index) => {
      for await (const _ of feed) if (++shown[index] === 100) return;
    });
    for (let n = 0; n < 100; n++) await db.kv().set(`k${n}`, '');
    // Nothing else is committed: what was passed over would be waited for until then.
    await Promise.race([Promise.all(read), new Promise((resolve) => setTimeout(resolve, 5_000))]);
    return shown;
  },
  [100, 100, 100],
);

check(
  'what expires while a change is with the caller is shown',
  async (db, clock) => {
    await db.kv().setWith('short', '', { ttlMs: 10 });
    const feed = db.changes();
    await feed.ready;
    await db.kv().set('a', '');
    await feed.next();
    clock.advance(10);
    db.maintain();
    const late = new Promise((resolve) => setTimeout(() => resolve({ value: { kind: 'nothing' } }), 2_000));
    const { value } = await Promise.race([feed.next(), late]);
    return value.kind;
  },
  'delete',
  { clock: 1_000 },
);

check(
  'it shows one bucket, or keys that begin so',
  async (db) => {
    const feeds = [
      db.changes({ bucket: 'b' }),
      db.changes({ prefix: 'user/' }),
      db.changes({ bucket: 'b', prefix: 'user/' }),
    ];
    await Promise.all(feeds.map((feed) => feed.ready));
    await db.kv('a').set('user/1', '');
    await db.kv('b').set('item/1', '');
    await db.kv('b').set('user/2', '');
    const first = await Promise.all(feeds.map((feed) => feed.next()));
    return first.map(({ value }) => `${value.bucket} ${toText(value.key)}`);
  },
  ['b item/1', 'a user/1', 'b user/2'],
);

check(
  'it comes to what a filter shows, however much it passes over before',
  async (db) => {
    for (let round = 0; round < 2; round++) {
      const elsewhere = Array.from({ length: 10_000 }, (_, n) => ({ op: 'set', key: `${round}/${n}`, value: '' }));
      await db.kv('elsewhere').apply(elsewhere);
    }
    await db.kv('b').set('found', '');
    const { value } = await db.changes({ bucket: 'b', since: 'earliest' }).next();
    return toText(value.key);
  },
  'found',
);

check(
  'what was in a bucket that is dropped is shown under its name',
  async (db, clock) => {
    await db.kv('b').set('a', '');
    await db.kv('b').setWith('short', '', { ttlMs: 10 });
    clock.advance(10);
    await db.dropBucket('b');
    clock.advance(2 * 3_600_000);
    db.maintain();
    await db.kv('b').set('again', '');
    const seen = [];
    for await (const change of db.changes({ bucket: 'b', since: 'earliest' })) {
      seen.push(`${change.kind} ${toText(change.key)}`);
      if (seen.at(-1) === 'put again') return seen.sort();
    }
  },
  ['delete a', 'delete short', 'put a', 'put again', 'put short'],
  { clock: 1_000 },
);

check(
  'it goes on behind a cursor, or from the oldest that is kept',
  async (db) => {
    for (const key of ['a', 'b', 'c']) await db.kv().set(key, '');
    const seen = [];
    let cursor;
    for await (const change of db.changes({ since: 'earliest' })) {
      seen.push(toText(change.key));
      cursor = change.cursor;
      if (seen.length === 2) break;
    }
    const { value } = await db.changes({ since: cursor }).next();
    return [seen, toText(value.key)];
  },
  [['a', 'b'], 'c'],
);

check(
  'a commit of many keys comes whole and in order',
  async (db) => {
    const feed = db.changes();
    await feed.ready;
    await db
      .kv()
      .apply(Array.from({ length: 250 }, (_, n) => ({ op: 'set', key: `k${String(n).padStart(3, '0')}`, value: '' })));
    const keys = [];
    while (keys.length < 250) keys.push(toText((await feed.next()).value.key));
    return [keys[0], keys.at(-1), keys.every((key, n) => n === 0 || keys[n - 1] < key)];
  },
  ['k000', 'k249', true],
);

check(
  'what a transaction writes shows when it is committed',
  async (db) => {
    const feed = db.changes();
    await feed.ready;
    const transaction = await db.transaction();
    await transaction.kv().set('a', '');
    await db.kv().set('b', '');
    await transaction.commit();
    return [toText((await feed.next()).value.key), toText((await feed.next()).value.key)];
  },
  ['b', 'a'],
);

check(
  'what expires shows as deleted',
  async (db, clock) => {
    await db.kv().setWith('a', 'x', { ttlMs: 10 });
    const feed = db.changes();
    clock.advance(10);
    db.maintain();
    const { value } = await feed.next();
    return [value.kind, toText(value.key), value.value];
  },
  ['delete', 'a', null],
  { clock: 1_000 },
);

check(
  'a signal ends it, also while it waits',
  async (db) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    let shown = 0;
    for await (const _ of db.changes({ signal: controller.signal })) shown += 1;
    const aborted = await db.changes({ signal: controller.signal }).next();
    return [shown, aborted.done];
  },
  [0, true],
);

check(
  'leaving ends a next that waits',
  async (db) => {
    const feed = db.changes();
    const waiting = feed.next();
    await feed.return();
    return [(await waiting).done, (await feed.next()).done];
  },
  [true, true],
);

check(
  'history that is no longer kept is told, never passed over',
  async (db) => {
    const kv = db.kv();
    await kv.set('first', '');
    const { value } = await db.changes({ since: 'earliest' }).next();
    for (let n = 0; n < 40; n++) await kv.set('large', new Uint8Array(512 * 1024));
    return db
      .changes({ since: value.cursor })
      .next()
      .catch((error) => error);
  },
  { code: 'compacted', kind: 'compacted' },
  // A server keeps more than can be written here in a moment.
  { overHttp: false },
);
