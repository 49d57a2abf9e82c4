// Everything that the client does, with Node's own HTTP client in place of the global `fetch`; and what only that has.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { connect } from '../dist/index.js';
import { nodeFetch } from '../dist/node.js';

globalThis.fetch = nodeFetch();
await import('./client.test.mjs');

test('connections are used again, and no more are opened than allowed', async () => {
  let opened = 0;
  const listener = createServer((_, response) => setImmediate(() => response.writeHead(200).end('value')));
  listener.on('connection', () => (opened += 1));
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  try {
    const kv = connect(`http://127.0.0.1:${listener.address().port}`, { fetch: nodeFetch({ connectionsMax: 3 }) }).kv();
    for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 20 }, () => kv.get('a')));
    assert.equal(opened, 3);
  } finally {
    listener.closeAllConnections();
    listener.close();
  }
});

test('answers have memory of their own', async () => {
  const listener = createServer((_, response) => response.writeHead(200).end('value'));
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  try {
    const kv = connect(`http://127.0.0.1:${listener.address().port}`).kv();
    const value = await kv.get('a');
    assert.equal(value.buffer.byteLength, value.length);
  } finally {
    listener.closeAllConnections();
    listener.close();
  }
});
