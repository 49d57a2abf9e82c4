// The client against a real server, and against what is none.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import * as client from '../dist/index.js';
import * as standalone from '../dist/standalone.js';
import { startServer } from '../../../web/tests/server.mjs';
import { startProxy } from './proxy.mjs';

const { MantisError, connect, toText } = client;

let server, db;
before(async () => {
  server = await startServer('http://localhost');
  db = connect(server.url);
});
after(() => server?.stop());

test('the package exports what it did', () => {
  const names = ['MantisError', 'connect', 'fromBase64', 'toBase64', 'toBytes', 'toText'];
  assert.deepEqual(Object.keys(client).sort(), names);
  assert.deepEqual(Object.keys(standalone).sort(), names);
});

/** A server that takes requests and answers what `answer` does. */
async function withAnswers(answer, work) {
  const listener = createServer(answer);
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  try {
    await work(`http://127.0.0.1:${listener.address().port}`);
  } finally {
    listener.closeAllConnections();
    await new Promise((done) => listener.close(done));
  }
}

const code = (error) => {
  assert.ok(error instanceof MantisError, String(error));
  return error.code;
};
const codeOf = (promise) => promise.then((answer) => assert.fail(`answered ${answer}`), code);

/** A call of each part of the interface that sends a request. */
const CALLS = {
  get: (db) => db.kv().get('a'),
  'get of a key that no URL has': (db) => db.kv().get('..'),
  set: (db) => db.kv().set('a', 'b'),
  delete: (db) => db.kv().delete('a'),
  scan: (db) => db.kv().scan(),
  entries: (db) => db.kv().entries().next(),
  'getJson of a document': (db) => db.kv().getJson('a'),
  apply: (db) => db.kv().apply([{ op: 'get', key: 'a' }]),
  batch: (db) => db.batch([{ op: 'get', key: 'a' }]),
  'rows of a table': (db) => db.table('t').where('id', 'eq', 1).rows(),
  insert: (db) => db.table('t').insert({ id: 1 }),
  createTable: (db) => db.createTable('t', { columns: [] }),
  transaction: (db) => db.transaction(),
  transact: (db) => db.transact(async (transaction) => transaction.kv().get('a')),
  buckets: (db) => db.buckets(),
  stats: (db) => db.stats(),
  'call of a plugin': (db) => db.plugin('p').call('f'),
  'plugins.list': (db) => db.plugins.list(),
  'plugins.put': (db) => db.plugins.put('p', new Uint8Array(8)),
};

test('no call outlives its signal', () =>
  withAnswers(
    () => {},
    async (url) => {
      for (const [name, call] of Object.entries(CALLS)) {
        const stop = new AbortController();
        const called = codeOf(call(connect(url).with({ signal: stop.signal })));
        setImmediate(() => stop.abort(new Error('left')));
        assert.equal(await called, 'aborted', name);
      }
    },
  ));

test('no call outlives its time-out', () =>
  withAnswers(
    () => {},
    async (url) => {
      const impatient = connect(url, { timeoutMs: 50 });
      const codes = await Promise.all(Object.values(CALLS).map((call) => codeOf(call(impatient))));
      assert.deepEqual(new Set(codes), new Set(['timed-out']));
      assert.equal(await codeOf(impatient.changes().next()), 'timed-out');
    },
  ));

test('an answer that stops in the middle is ended by the time-out, too', () =>
  withAnswers(
    (_, response) => response.writeHead(200, { 'content-length': 10 }).write('half'),
    async (url) => assert.equal(await codeOf(connect(url, { timeoutMs: 100 }).kv().get('a')), 'timed-out'),
  ));

test('a call whose signal was aborted before sends nothing', async () => {
  const never = connect(server.url, { fetch: () => assert.fail('sent') });
  const aborted = never.with({ signal: AbortSignal.abort(new Error('left')) });
  for (const [name, call] of Object.entries(CALLS)) assert.equal(await codeOf(call(aborted)), 'aborted', name);
  const error = await aborted
    .kv()
    .get('a')
    .catch((error) => error);
  assert.equal(error.cause.cause.message, 'left');
  assert.deepEqual(await aborted.changes().next(), { done: true, value: undefined });
});

test('either of two signals ends a call', () =>
  withAnswers(
    () => {},
    async (url) => {
      for (const which of [0, 1]) {
        const stops = [new AbortController(), new AbortController()];
        const [one, other] = stops.map(({ signal }) => signal);
        const called = codeOf(connect(url, { signal: one }).with({ signal: other }).kv().get('a'));
        setImmediate(() => stops[which].abort());
        assert.equal(await called, 'aborted');
      }
    },
  ));

test('what is no time-out is refused', () => {
  for (const timeoutMs of [0, -1, NaN, Infinity, 2 ** 31]) {
    assert.throws(() => db.with({ timeoutMs }), { code: 'argument-invalid' });
  }
});

test('an aborted transaction is rolled back, which its signal does not end', async () => {
  const stop = new AbortController();
  const sent = [];
  const recorded = (url, options) => {
    sent.push(`${options.method} ${new URL(url).pathname}`);
    return fetch(url, options);
  };
  const recording = connect(server.url, { fetch: recorded }).with({ signal: stop.signal });
  let left;
  const called = recording.transact(async (transaction) => {
    left = transaction;
    await transaction.kv().set('never', 'written');
    stop.abort();
    await transaction.kv().get('never');
  });
  assert.equal(await codeOf(called), 'aborted');
  assert.match(sent.at(-1), /^DELETE \/api\/v1\/transactions\/./);
  assert.equal(await codeOf(left.kv().get('never')), 'transaction-not-open');
  assert.equal(await db.kv().get('never'), null);
});

test('a server that has fallen silent does not hold up who aborts a transaction', async () => {
  const proxy = await startProxy(server.url);
  const stop = new AbortController();
  try {
    const called = connect(proxy.url, { signal: stop.signal }).transact(async (transaction) => {
      await transaction.kv().set('never', 'written');
      proxy.mute();
      proxy.muteAll(true);
      stop.abort();
      await transaction.kv().get('never');
    });
    assert.equal(await codeOf(called), 'aborted');
  } finally {
    await proxy.close();
  }
});

test('no attempt follows after an abort between attempts', async () => {
  const stop = new AbortController();
  let attempts = 0;
  const conflicting = db.with({ signal: stop.signal }).transact(async () => {
    attempts += 1;
    if (attempts === 3) stop.abort();
    throw new MantisError('conflict', 'conflict', 'always');
  });
  assert.equal(await codeOf(conflicting), 'aborted');
  assert.equal(attempts, 3);
});

test('transactions of many clients on one key lose no update', async () => {
  const clients = Array.from({ length: 6 }, () => connect(server.url));
  const increment = async (transaction) => {
    const kv = transaction.kv('contended');
    const before = (await kv.getJson('n')) ?? 0;
    await kv.setJson('n', before + 1);
  };
  const add = async (client) => {
    for (let done = 0; done < 10;) {
      try {
        await client.transact(increment);
        done += 1;
      } catch (error) {
        // Who waits for a turn waits for so long only: where the machine is slow, all attempts may be in vain.
        assert.equal(code(error), 'conflict');
      }
    }
  };
  await Promise.all(clients.flatMap((client) => [add(client), add(client)]));
  assert.equal(await db.kv('contended').getJson('n'), 120);
});

test('a conflict that never ends, and any other error, reach the caller', async () => {
  let attempts = 0;
  const fail = (error) =>
    db.transact(async () => {
      attempts += 1;
      throw error;
    });
  assert.equal(await codeOf(fail(new MantisError('conflict', 'conflict', 'always'))), 'conflict');
  assert.equal(attempts, 8);
  await assert.rejects(fail(new RangeError('mine')), RangeError);
  assert.equal(attempts, 9);
});

test('headers are made before each request, and added to', async () => {
  const seen = [];
  const recorded = (url, options) => {
    seen.push(options.headers);
    return fetch(url, options);
  };
  let token = 0;
  const first = connect(server.url, { fetch: recorded, headers: async () => ({ authorization: `Bearer ${++token}` }) });
  const both = first.with({ headers: { 'X-Mine': '1', 'Accept-Encoding': 'gzip' } });
  await first.kv().get('a');
  await both.kv().get('a');
  assert.deepEqual(
    seen.map((headers) => [headers.authorization, headers['x-mine'], headers['accept-encoding']]),
    [
      ['Bearer 1', undefined, 'identity'],
      ['Bearer 2', '1', 'gzip'],
    ],
  );
});

test('a function for headers that fails says so', async () => {
  const failing = (error) => () => Promise.reject(error);
  const withHeaders = (headers) => codeOf(connect(server.url, { headers }).kv().get('a'));
  assert.equal(await withHeaders(failing(new Error('no token'))), 'headers-failed');
  assert.equal(await withHeaders(failing(new MantisError('my-own', 'other', 'no token'))), 'my-own');
});

test('closing a database closes those that were made of it', async () => {
  const mine = connect(server.url);
  const narrowed = mine.with({ timeoutMs: 1_000 });
  await narrowed.close();
  assert.equal(await codeOf(mine.kv().get('a')), 'closed');
  assert.equal(await codeOf(narrowed.kv().get('a')), 'closed');
});

/** What a feed brings while `disturb` breaks its connection between two writes. */
async function checkFeed(bucket, options, times, disturb) {
  const proxy = await startProxy(server.url);
  try {
    const kv = db.kv(bucket);
    const feed = connect(proxy.url, options).changes({ bucket });
    await feed.ready;
    const keys = [];
    const take = async () => keys.push(toText((await feed.next()).value.key));
    await kv.set('0', '');
    await take();
    for (let n = 1; n < 2 * times; n += 2) {
      disturb(proxy);
      await kv.set(String(n), '');
      await kv.set(String(n + 1), '');
      await take();
      await take();
    }
    await feed.return();
    assert.deepEqual(
      keys,
      Array.from({ length: 2 * times + 1 }, (_, n) => String(n)),
    );
    assert.ok(proxy.connections() > 1);
  } finally {
    await proxy.close();
  }
}

test('a feed whose connection is cut loses nothing and repeats nothing', () =>
  checkFeed('cut', {}, 4, (proxy) => proxy.cut()));

test('a feed notices a connection that has fallen silent', () =>
  checkFeed('mute', { feedSilenceMs: 2_000 }, 2, (proxy) => proxy.mute()));

test('a feed ends with its signal, also in a pause', async () => {
  const proxy = await startProxy(server.url);
  const stop = new AbortController();
  const feed = connect(proxy.url).with({ signal: stop.signal }).changes();
  await feed.ready;
  await proxy.close();
  setTimeout(() => stop.abort(), 50);
  assert.deepEqual(await feed.next(), { done: true, value: undefined });
});

test('plugins are installed, replaced, rolled back, called and removed', async () => {
  const component = (name) => readFileSync(new URL(`../../../guest/target/components/${name}.wasm`, import.meta.url));
  const { plugins } = db;
  const grants = { counters: 'write', 'table/orders': 'read' };
  const first = await plugins.put('mine', component('counter'), { grants, callDeadlineMs: 500, ifRevision: null });
  assert.deepEqual(
    [first.state, first.version, first.grants, first.limits.call_deadline_ms],
    ['ready', 1, grants, 500],
  );
  assert.equal(await codeOf(plugins.put('mine', component('counter'), { ifRevision: null })), 'precondition-failed');
  const counter = db.plugin('mine');
  assert.equal(await counter.call('increment', ['visits', 2]), 2);

  const second = await plugins.put('mine', component('leaderboard'), { ifRevision: first.revision });
  assert.deepEqual([second.version, second.functions.map(({ name }) => name)], [2, ['submit', 'top', 'standing-of']]);
  assert.equal(await codeOf(plugins.rollback('mine', { ifRevision: first.revision })), 'precondition-failed');
  const back = await plugins.rollback('mine', { version: 1, ifRevision: second.revision });
  assert.deepEqual(
    [back.version, back.versions.map(({ version, current }) => [version, current])],
    [
      1,
      [
        [2, false],
        [1, true],
      ],
    ],
  );
  assert.equal(await counter.call('increment', ['visits', 2]), 4);
  assert.ok(Math.abs(back.versions[0].installedAtMs - Date.now()) < 600_000);

  assert.deepEqual(
    (await plugins.list()).map(({ name }) => name),
    ['mine'],
  );
  assert.equal((await plugins.describe('mine')).revision, back.revision);
  await plugins.remove('mine');
  assert.deepEqual(await plugins.list(), []);
  assert.equal(await codeOf(plugins.describe('mine')), 'plugin-not-found');
  assert.equal(await codeOf(plugins.put('mine', 'text')), 'argument-invalid');
  assert.equal(await codeOf(plugins.put('mine', new Uint8Array(8))), 'plugin-invalid');
  assert.equal(await codeOf(plugins.describe('..')), 'plugin-not-found');
});

test('keys that URLs cannot carry, or change, are keys like others', async () => {
  const kv = db.kv('keys');
  const keys = [
    '.',
    '..',
    'a/../b',
    '/',
    '//',
    '%2E',
    '%',
    '+',
    ' ',
    'a?b#c',
    '\0',
    'ä🦀',
    'x'.repeat(4_096),
    new Uint8Array([255, 0, 46]),
  ];
  for (const [index, key] of keys.entries()) {
    const name = `key ${index}`;
    await kv.set(key, name);
    assert.equal(toText(await kv.get(key)), name);
    assert.equal(toText((await kv.getEntry(key)).value), name);
    assert.deepEqual((await kv.setWith(key, 'other', { expect: 'absent' })).written, false, name);
  }
  assert.equal(await kv.count(), keys.length);
  const found = await kv.getMany(keys);
  assert.deepEqual(
    found.map(toText),
    keys.map((_, index) => `key ${index}`),
  );
  for (const key of keys) assert.equal((await kv.delete(key)).existed, true);
  assert.equal(await kv.count(), 0);
});

test('values in batches are the bytes that they were, and of no other type than alone', async () => {
  const kv = db.kv('values');
  const texts = [
    '',
    'a',
    '"\\',
    'ä🦀',
    '\0\n\x1f',
    '\u{feff}a',
    '{"value":1}',
    'x'.repeat(70_000),
    '\x01'.repeat(5 << 20),
  ];
  const values = [...texts, new Uint8Array(), new Uint8Array([0, 255]), new TextEncoder().encode('text')];
  const key = (index) => `v${index}`;
  await kv.apply(values.map((value, index) => ({ op: 'set', key: key(index), value })));
  const expected = values.map((value) => (typeof value === 'string' ? new TextEncoder().encode(value) : value));
  assert.deepEqual(await kv.getMany(values.map((_, index) => key(index))), expected);
  for (const [index, value] of expected.entries()) {
    const entry = await kv.getEntry(key(index));
    assert.deepEqual([entry.value, entry.mediaType], [value, 'application/octet-stream'], key(index));
  }
  assert.deepEqual(await kv.getMany([]), []);
  assert.equal(await codeOf(kv.getMany(Array(1_001).fill('a'))), 'keys-too-many');
  for (const key of ['', '\ud800', 'k'.repeat(4_097)]) {
    const alone = await codeOf(kv.get(key));
    assert.equal(await codeOf(kv.getMany(['a', key])), alone);
    assert.equal(await codeOf(kv.apply([{ op: 'set', key, value: '' }])), alone);
  }
  assert.equal(await codeOf(kv.apply([{ op: 'set', key: 'a', value: '\ud800' }])), 'argument-invalid');
});

test('documents come back as they were, and other values are none', async () => {
  const kv = db.kv('documents');
  const document = { name: 'Ada', born: 1815, tags: ['a', null, true], value: 1 };
  await kv.setJson('doc', document);
  assert.deepEqual(await kv.getJson('doc'), document);
  assert.equal((await kv.getEntry('doc')).mediaType, 'application/json');
  assert.equal(await kv.getJson('none'), null);
  await kv.set('bytes', new Uint8Array([255]));
  assert.equal(await codeOf(kv.getJson('bytes')), 'not-json');
  assert.equal(await codeOf(kv.setJson('doc', 1n)), 'argument-invalid');
});

test('an error is known in every copy of the library, and after it was cloned', async () => {
  const error = await db
    .kv('No')
    .get('a')
    .catch((error) => error);
  for (const { MantisError: Known } of [{ MantisError }, standalone]) {
    for (const same of [error, structuredClone(error), JSON.parse(JSON.stringify(error)), error.toJSON()]) {
      assert.ok(same instanceof Known && Known.is(same));
      assert.deepEqual([same.code, same.kind], ['bucket-name-invalid', 'invalid']);
    }
    assert.equal(Known.from(error.toJSON()).code, 'bucket-name-invalid');
    for (const other of [new Error('a'), null, undefined, {}, 'a']) assert.ok(!(other instanceof Known));
  }
});

test('what is no answer of the database becomes an error, whatever it is', async () => {
  const refused = ['', 'null', '1', '"text"', '[]', '{"code":7}', '{"code":null,"detail":{}}', '<html>', '\u{feff}{}'];
  for (const body of refused) {
    await withAnswers(
      (_, response) => response.writeHead(502).end(body),
      async (url) => assert.equal(await codeOf(connect(url).kv().set('a', 'b')), 'http-502', body),
    );
  }
  for (const body of ['', '<html>', '{"results"']) {
    await withAnswers(
      (_, response) => response.writeHead(200).end(body),
      async (url) => assert.equal(await codeOf(connect(url).stats()), 'answer-invalid', body),
    );
  }
  const cut = (_, response) => {
    response.writeHead(200, { 'content-length': 10 }).write('half');
    response.socket.end();
  };
  await withAnswers(cut, async (url) => assert.equal(await codeOf(connect(url).kv().get('a')), 'unreachable'));
  assert.equal(await codeOf(connect('http://127.0.0.1:1').kv().get('a')), 'unreachable');
});
