// The memory of a page's database: what is counted, what is refused, what is copied in, and what comes after a crash. In Node, where the
// build's memory can be given an end.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { limitMemory } from '../memory.mjs';

/** The memory of the instance that was made last. */
let memory;
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (...given) => {
  const made = await instantiate(...given);
  memory = (made.instance ?? made).exports.memory;
  return made;
};
const { MantisError, open } = await import('../dist/mantisdb.js');

const MIB = 1 << 20;
const file = (name) => readFileSync(new URL(`../dist/${name}`, import.meta.url));

/** A database in a memory of so many MiB. */
function openIn(mebibytes, options = {}) {
  const wasm = limitMemory(file(options.tables ? 'mantisdb-tables.wasm' : 'mantisdb.wasm'), mebibytes * 16);
  return open({ wasm, ...options });
}

/** Writes until that is refused, and says with what. */
async function fill(write) {
  for (let n = 0; ; n++) {
    try {
      await write(n);
    } catch (error) {
      return { error, written: n };
    }
  }
}

const small = (n) => ({ op: 'set', key: `k${String(n).padStart(8, '0')}`, value: 'v' });

test('small entries fill the store before the memory ends, and deleting makes room again', async () => {
  const db = await openIn(48);
  const kv = db.kv();
  const { error, written } = await fill((n) => kv.apply(Array.from({ length: 1_000 }, (_, m) => small(n * 1_000 + m))));
  assert.deepEqual([error.code, error.kind], ['store-full', 'limit']);
  assert.ok(written > 50, `${written} thousand`);
  // Everything but growth goes on.
  assert.equal(await kv.count(), written * 1_000);
  assert.equal((await kv.getMany(['k00000000', 'k00000001']))[1].length, 1);
  await assert.rejects(kv.set('another', ''), { code: 'store-full' });
  await assert.rejects(kv.increment('another'), { code: 'store-full' });
  await assert.rejects(
    db.transact((transaction) => transaction.kv().set('another', '')),
    { code: 'store-full' },
  );
  assert.equal((await kv.delete('k00000000')).existed, true);
  assert.equal((await kv.deleteSpan({})).keys, written * 1_000 - 1);
  db.maintain();
  for (let n = 0; n < 20; n++) await kv.set(`again${n}`, new Uint8Array(100_000));
  assert.equal(await kv.count(), 20);
  await db.close();
});

test('large values fill it likewise', async () => {
  const db = await openIn(64);
  const kv = db.kv();
  const { error, written } = await fill((n) => kv.set(`k${n}`, new Uint8Array(MIB).fill(n)));
  assert.equal(error.code, 'store-full');
  assert.ok(written > 20, `${written}`);
  await assert.rejects(kv.set('large', new Uint8Array(16 * MIB)), { code: 'store-full' });
  await assert.rejects(kv.apply([{ op: 'set', key: 'a', value: new Uint8Array(16 * MIB) }]), { code: 'store-full' });
  for (let n = 0; n < written; n++) assert.equal((await kv.get(`k${n}`))[MIB - 1], n % 256);
  assert.equal((await kv.deleteSpan({})).keys, written);
  await db.close();
});

test('writes of open transactions count, too', async () => {
  const db = await openIn(48);
  const open = [];
  const { error } = await fill(async (n) => {
    open.push(await db.transaction());
    await open[n].kv().set('a', new Uint8Array(4 * MIB));
  });
  assert.equal(error.code, 'store-full');
  for (const transaction of open) await transaction.rollback();
  await db.kv().set('a', 'there is room');
  await db.close();
});

test('rows fill it, and can be deleted', async () => {
  const db = await openIn(128, { tables: true });
  await db.createTable('lines', {
    columns: [
      { name: 'id', type: 'bigint', identity: true },
      { name: 'text', type: 'text' },
    ],
    primary_key: ['id'],
    indexes: [{ name: 'by_text', columns: ['text'] }],
  });
  const lines = db.table('lines');
  const rows = Array.from({ length: 1_000 }, (_, n) => ({ text: `${n}`.repeat(50) }));
  const { error, written } = await fill(() => lines.insert(rows));
  assert.deepEqual([error.code, error.kind], ['53200', 'limit']);
  assert.ok(written > 10, `${written} thousand`);
  assert.equal(await lines.count(), written * 1_000);
  assert.equal((await lines.where('id', 'lte', 500).delete()).count, 500);
  await assert.rejects(db.batch([{ op: 'insert', table: 'lines', rows }]), { kind: 'limit' });
  await db.close();
});

test('an entry counts what it weighs', async () => {
  const db = await open({ storeBytesMax: 10 * MIB });
  const before = memory.buffer.byteLength;
  const { error, written } = await fill((n) =>
    db.kv().apply(Array.from({ length: 500 }, (_, m) => small(n * 500 + m))),
  );
  assert.equal(error.code, 'store-full');
  const entries = written * 500;
  assert.ok(entries > 30_000 && entries < 60_000, `${entries} entries`);
  assert.ok(memory.buffer.byteLength - before < 40 * MIB, 'the reserve, the feed and the store');
  await db.close();
});

test('what is too large is refused before it is copied in', async () => {
  const db = await open({ tables: true });
  await db.createTable('t', {
    columns: [
      { name: 'id', type: 'bigint', identity: true },
      { name: 'text', type: 'text' },
    ],
    primary_key: ['id'],
  });
  await db.table('t').insert({ text: 'a' });
  const before = memory.buffer.byteLength;
  const bytes = new Uint8Array(300 * MIB);
  const text = 'x'.repeat(300 * MIB);
  const kv = db.kv();
  const table = db.table('t');
  const transaction = await db.transaction();
  const cases = [
    [() => kv.set('a', bytes), 'value-too-large'],
    [() => kv.set('a', text), 'value-too-large'],
    [() => kv.set(bytes, ''), 'key-too-long'],
    [() => kv.setWith('a', bytes, {}), 'value-too-large'],
    [() => kv.setWith('a', '', { mediaType: text }), 'media-type-invalid'],
    [() => kv.get(text), 'key-too-long'],
    [() => kv.getEntry(bytes), 'key-too-long'],
    [() => kv.getMany(['a', bytes]), 'key-too-long'],
    [() => kv.delete(text), 'key-too-long'],
    [() => kv.deleteIf(text, 'present'), 'key-too-long'],
    [() => kv.increment(bytes), 'key-too-long'],
    [() => kv.scan({ prefix: bytes }), 'key-too-long'],
    [() => kv.scan({ cursor: text }), 'cursor-invalid'],
    [() => kv.count({ start: bytes }), 'key-too-long'],
    [() => kv.deleteSpan({ end: text }), 'key-too-long'],
    [() => kv.apply([{ op: 'set', key: 'a', value: bytes }]), 'value-too-large'],
    [() => kv.apply([{ op: 'check', key: text, expect: 'absent' }]), 'key-too-long'],
    [() => kv.apply(Array(10_001).fill({ op: 'get', key: 'a' })), 'operations-too-many'],
    [
      () => kv.apply(Array(5).fill({ op: 'set', key: 'a', value: bytes.subarray(0, 16 * MIB) })),
      'transaction-too-large',
    ],
    [() => transaction.kv().set('a', bytes), 'value-too-large'],
    [() => db.changes({ prefix: bytes }).next(), 'key-too-long'],
    [() => db.changes({ since: text }).next(), 'cursor-invalid'],
    [() => db.kv(text).get('a'), 'bucket-name-invalid'],
    [() => db.dropBucket(text), 'bucket-name-invalid'],
    [() => db.batch([{ op: 'set', key: 'a', value: text }]), 'value-too-large'],
    [() => db.batch([{ op: 'insert', table: 't', rows: { text } }]), '54000'],
    [() => db.batch([{ op: 'select', table: 't', filter: text }]), '54000'],
    [() => db.batch([{ op: 'delete', table: 't', filter: 'text=eq.$1', arguments: [text] }]), '54000'],
    [() => db.batch(Array(10_001).fill({ op: 'get', key: 'a' })), 'operations-too-many'],
    [() => db.table(text).rows(), '54000'],
    [() => table.select(text).rows(), '54000'],
    [() => table.where('text', 'eq', text).rows(), '54000'],
    [() => table.order(text).rows(), '54000'],
    [() => table.get(text), '54000'],
    [() => table.insert({ text }), '54000'],
    [() => table.insert({ text: bytes }), '54000'],
    [() => table.insert(Array(100).fill({ text: text.slice(0, MIB) })), '54000'],
    [() => table.where('id', 'eq', 1).update({ text }), '54000'],
    [() => table.where('text', 'eq', text).changes().next(), '54000'],
    [() => db.createTable(text, { columns: [] }), '54000'],
    [() => db.createTable('u', { columns: [], comment: text }), '54000'],
    [() => db.describeTable(text), '54000'],
  ];
  for (const [call, code] of cases) {
    const error = await (async () => call())().then(
      () => null,
      (error) => error,
    );
    assert.equal(memory.buffer.byteLength, before, String(call));
    assert.ok(
      MantisError.is(error) && error.code === code,
      `${call}: ${error?.code}: ${error?.message?.slice(0, 200)}`,
    );
  }
  await db.close();
});

test('after a crash every call says so, feeds and timers end, and the next database begins anew', async () => {
  const db = await openIn(40);
  const kv = db.kv();
  const { written } = await fill((n) => kv.apply(Array.from({ length: 1_000 }, (_, m) => small(n * 1_000 + m))));
  const feed = db.changes();
  await feed.ready;
  const waiting = feed.next().catch((error) => error);
  // Deletions are always let in: in many transactions at once they use the reserve up.
  const open = [];
  const { error } = await fill(async (n) => {
    open.push(await db.transaction());
    const from = (n % Math.floor(written / 10)) * 10_000;
    await open[n].kv().apply(Array.from({ length: 10_000 }, (_, m) => ({ op: 'delete', key: small(from + m).key })));
  });
  assert.deepEqual([error.code, error.kind], ['store-crashed', 'other']);
  assert.equal((await waiting).code, 'store-crashed');
  const calls = [
    () => kv.get('a'),
    () => kv.set('a', ''),
    () => db.stats(),
    () => db.transaction(),
    () => db.changes().next(),
    () => open[0].kv().get('a'),
    () => open[0].commit(),
  ];
  for (const call of calls) await assert.rejects(call(), { code: 'store-crashed', name: 'MantisError' });
  assert.throws(() => db.maintain(), { code: 'store-crashed' });
  for (const transaction of open) await transaction.rollback();
  const anew = await openIn(40);
  await anew.kv().set('a', '1');
  assert.equal(await anew.kv().count(), 1);
  await anew.close();
  await db.close();
});

test('a crash in one database is none in another', async () => {
  const [first, second] = [await open({ tables: true }), await open({ tables: true })];
  const ids = { columns: [{ name: 'id', type: 'uuid', default: { function: 'uuid' } }], primary_key: ['id'] };
  await first.createTable('ids', ids);
  await second.createTable('ids', ids);
  const real = crypto.getRandomValues;
  crypto.getRandomValues = () => {
    throw new Error('no randomness');
  };
  const crashed = await first
    .table('ids')
    .insert({})
    .catch((error) => error);
  crypto.getRandomValues = real;
  assert.equal(crashed.code, 'store-crashed');
  assert.equal((await second.table('ids').insert({})).count, 1);
  await second.close();
});
