// Measures queries of the page's build in Node, for `cargo run --release -p mantis-benches --bin page`, which gives rows and queries as
// JSON, and takes the median time of each in microseconds.

import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { open } from './dist/mantisdb.js';

const { table, rows, queries, roundMs } = JSON.parse(await text(process.stdin));
const wasm = await readFile(new URL('dist/mantisdb-tables.wasm', import.meta.url));
const db = await open({ tables: true, wasm });
await db.createTable('orders', table);
const orders = db.table('orders');
for (let at = 0; at < rows.length; at += 1_000) {
  await orders.insert(rows.slice(at, at + 1_000).map((row) => JSON.parse(row)));
}

/** The median time of a query. The first runs are slower: the engine is still compiling. */
async function measure(query) {
  const times = [];
  let bytes = 0;
  const began = performance.now();
  while (performance.now() - began < roundMs || times.length < 5) {
    const started = performance.now();
    bytes = (await query.json()).length;
    times.push((performance.now() - started) * 1_000);
  }
  return { us: times.sort((one, other) => one - other)[times.length >> 1], bytes };
}

const figures = [];
for (const parameters of queries) {
  const query = parameters.reduce((query, [name, value]) => query.parameter(name, value), orders);
  await measure(query);
  figures.push(await measure(query));
}
process.stdout.write(JSON.stringify(figures));
await db.close();
