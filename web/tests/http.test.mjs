// What only the HTTP implementation has: addresses, headers, and connections that break.

import assert from 'node:assert/strict';
import { connect as tcp, createServer } from 'node:net';
import { after, test } from 'node:test';
import { run, withPage } from './harness.mjs';
import { startServer } from './server.mjs';

let server;
const held = withPage(async ({ browser }) => {
  server = await startServer(browser.origin);
});
after(() => server?.stop());

/** Runs `work(db)` in the page with `db` at an address, and compares what it answers. */
async function check(work, expected, { url = server.url, options = {} } = {}) {
  const opening = `const db = connect(${JSON.stringify(url)}, ${JSON.stringify(options)}), clock = null;`;
  assert.deepEqual(await run(held, work, opening), expected);
}

test('a server that is not there is told from one that refuses', async () => {
  const work = (db) =>
    db
      .kv()
      .get('a')
      .catch((error) => error);
  await check(work, { code: 'unreachable', kind: 'other' }, { url: 'http://127.0.0.1:1' });
  // Nothing is said here to pages of other origins.
  await check(
    work,
    { code: 'unreachable', kind: 'other' },
    { url: held.browser.origin.replace('127.0.0.1', 'localhost') },
  );
});

test('what is no address is refused at once', async () => {
  for (const url of ['', 'nonsense', 'ftp://127.0.0.1', 'javascript:alert(1)']) {
    const opening = `const refused = (() => { try { connect(${JSON.stringify(url)}); } catch (error) { return error; } })();
      const db = { refused, close() {} }, clock = null;`;
    assert.deepEqual(await run(held, (db) => db.refused, opening), { code: 'argument-invalid', kind: 'invalid' }, url);
  }
});

test('an address may end in slashes', () => check((db) => db.url, server.url, { url: `${server.url}//` }));

test("an error carries the server's advice", () =>
  check(
    (db) =>
      db
        .kv()
        .scan({ limit: 5_000 })
        .catch((error) => [error.code, typeof error.hint, error.message.length > 0]),
    ['limit-out-of-range', 'string', true],
  ));

test('headers of the page go with every request', async () => {
  const seen = [];
  const listener = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      seen.push(String(data));
      const allow = ['Origin: *', 'Headers: authorization', 'Methods: DELETE'].map(
        (line) => `Access-Control-Allow-${line}`,
      );
      const told = ['Mantisdb-Version: 7', 'Mantisdb-Durable: true'];
      const exposed = 'Access-Control-Expose-Headers: mantisdb-version, mantisdb-durable';
      socket.end(['HTTP/1.1 204 No Content', ...allow, ...told, exposed, 'Connection: close', '', ''].join('\r\n'));
    });
  });
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${listener.address().port}`;
  try {
    const existed = { existed: true, version: '7n', durable: true };
    await check((db) => db.kv().delete('a'), existed, { url, options: { headers: { authorization: 'Bearer x' } } });
  } finally {
    listener.close();
  }
  assert.match(seen.at(-1), /^DELETE \/api\/v1\/kv\/a HTTP/);
  assert.match(seen.at(-1), /authorization: Bearer x/i);
});

test('a feed goes on where a broken connection left off', async () => {
  const proxy = await startProxy(new URL(server.url));
  const opening = `const db = connect('${proxy.url}'), direct = connect('${server.url}'), clock = direct;`;
  await held.page.exposeFunction('cut', () => proxy.cut());
  const work = async (db, direct) => {
    const kv = direct.kv('cut');
    const feed = db.changes({ bucket: 'cut' });
    await feed.ready;
    await kv.set('one', '');
    const keys = [toText((await feed.next()).value.key)];
    await cut();
    await kv.set('two', '');
    await kv.set('three', '');
    keys.push(toText((await feed.next()).value.key), toText((await feed.next()).value.key));
    await feed.return();
    return keys;
  };
  try {
    assert.deepEqual(await run(held, work, opening), ['one', 'two', 'three']);
    assert.ok(proxy.connections() >= 2);
  } finally {
    await proxy.close();
  }
});

test('a feed that cannot begin says so', () =>
  check(
    async (db) => {
      const feed = db.changes();
      const ready = await feed.ready.catch((error) => error.code);
      const next = await feed.next().catch((error) => error.code);
      return [ready, next];
    },
    ['unreachable', 'unreachable'],
    { url: 'http://127.0.0.1:1' },
  ));

test('a feed that nobody waits for leaves no unhandled rejection', async () => {
  await check((db) => void db.changes(), undefined, { url: 'http://127.0.0.1:1' });
  await new Promise((done) => setTimeout(done, 100));
  assert.deepEqual(
    held.page.problems.filter((problem) => problem.startsWith('uncaught')),
    [],
  );
});

test('a transaction that the server has forgotten says so', () =>
  check(async (db) => {
    const transaction = await db.transaction();
    await transaction.kv().set('a', '');
    // What a server does with one that is idle for too long.
    const { id } = await (await fetch(`${db.url}/api/v1/transactions`, { method: 'POST' })).json();
    const other = await db.transaction();
    await fetch(`${db.url}/api/v1/transactions/${id}`, { method: 'DELETE' });
    await other.rollback();
    const late = await other
      .kv()
      .get('a')
      .catch((error) => error.code);
    await transaction.rollback();
    return late;
  }, 'transaction-not-open'));

/** Passes bytes on, until it is told to cut what is open. */
async function startProxy(target) {
  const open = new Set();
  let connections = 0;
  const listener = createServer((near) => {
    connections += 1;
    const far = tcp(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      open.add(from);
      from.on('error', () => {});
      from.on('close', () => (open.delete(from), to.destroy()));
      from.pipe(to);
    }
  });
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    connections: () => connections,
    cut: () => open.forEach((socket) => socket.destroy()),
    close: () => new Promise((done) => (open.forEach((socket) => socket.destroy()), listener.close(done))),
  };
}
