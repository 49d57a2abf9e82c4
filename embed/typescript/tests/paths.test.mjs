// The paths that the client sends: a key or a name is one part of them, whatever its characters, also after `fetch` has resolved their dots.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { connect, MantisError } from '../dist/index.js';

const PIECES = ['.', '..', '/', '%2e', '%', 'a', '?', '#', '\\', '\t', 'ä', '\u0000'];

/** All texts of up to `count` of the pieces. */
function* texts(count) {
  yield '';
  if (count > 0) for (const text of texts(count - 1)) for (const piece of PIECES) yield text + piece;
}

const KEYS = [
  ...new Set(texts(2)),
  '../../plugins/p',
  'a/../../../schema/tables/t',
  '%2E%2E/%2E%2E',
  '..%2f..',
  '\\..\\..',
];

let listener, db, seen;
before(async () => {
  // It notes what comes, and refuses it.
  listener = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    seen.push({ method: request.method, path: request.url.split('?')[0], body });
    response.writeHead(404, { 'content-type': 'application/problem+json' });
    response.end('{"code":"key-not-found","status":404,"title":"none"}');
  });
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  db = connect(`http://127.0.0.1:${listener.address().port}`);
});
after(() => {
  listener.closeAllConnections();
  listener.close();
});

/** The requests that calls make; whether they succeed does not matter. */
async function sent(call) {
  seen = [];
  try {
    await call();
  } catch (error) {
    // Refused by the client, or by the server.
    if (!(error instanceof MantisError)) throw error;
  }
  return seen;
}

/** Fails unless each request is below `parent`, with this one part after it, or `elsewhere` says that it is right. */
function check(requests, parent, part, suffix = '', elsewhere = () => false) {
  for (const request of requests) {
    if (elsewhere(request)) continue;
    const { path } = request;
    assert.ok(path.startsWith(`${parent}/`) && path.endsWith(suffix), `${JSON.stringify(part)}: ${path}`);
    const own = path.slice(parent.length + 1, path.length - suffix.length);
    assert.ok(!own.includes('/'), `${JSON.stringify(part)}: ${path}`);
    assert.equal(decodeURIComponent(own), part, path);
  }
}

test('every key reaches itself or is refused', async () => {
  for (const bucket of ['default', 'words'])
    for (const key of KEYS) {
      const keys = bucket === 'default' ? '/api/v1/kv' : `/api/v1/buckets/${bucket}/kv`;
      const inBatch = ({ method, path, body }) =>
        method === 'POST' && path === keys && JSON.parse(body).operations.every((operation) => operation.key === key);
      const kv = db.kv(bucket);
      const calls = [() => kv.get(key), () => kv.set(key, 'v'), () => kv.delete(key), () => kv.getEntry(key)];
      for (const call of calls) check(await sent(call), keys, key, '', inBatch);
      check(await sent(() => kv.increment(key, 1)), keys, key, '/increment', inBatch);
      if (key !== '') assert.ok((await sent(() => kv.get(key))).length > 0, JSON.stringify(key));
    }
});

test('every name of a table or a plugin is one part of a path', async () => {
  for (const name of KEYS) {
    // Names of dots are nobody's, and go with a percent sign that no client resolves.
    const shown = /^\.{1,2}$/.test(name) ? name.replaceAll('.', '%2E') : name;
    for (const call of [() => db.dropTable(name), () => db.describeTable(name)])
      check(await sent(call), '/api/v1/schema/tables', shown);
    check(await sent(() => db.plugins.remove(name)), '/api/v1/plugins', shown);
    check(await sent(() => db.plugin(name).call('f')), '/api/v1/plugins', shown, '/call/f');
    check(await sent(() => db.plugin('p').call(name)), '/api/v1/plugins/p/call', shown);
    check(
      await sent(() => db.table('t').get(name)),
      '/api/v1/tables/t',
      name,
      '',
      ({ path }) => path === '/api/v1/tables/t',
    );
    check(await sent(() => db.table('t').where('id', 'eq', name).delete()), '/api/v1/tables', 't');
  }
});
