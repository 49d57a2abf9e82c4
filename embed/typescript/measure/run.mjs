// Single calls and batches of the client, beside ioredis: the time of a call, and the processor time that it takes in this process.
//   node run.mjs PATH_TO_MANTISDB [PATH_TO_REDIS_SERVER]      after npm ci here, and npm run build in the folder above
// Both servers keep nothing on disk. Rounds alternate between the two, and the median round counts.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import Redis from 'ioredis';
import { connect } from '../dist/index.js';
import { nodeFetch } from '../dist/node.js';

const [mantisdb = '../../../target/release/mantisdb', redisServer = 'redis-server'] = process.argv.slice(2);
const ROUNDS = 15;
const VALUE = 'v'.repeat(100);
const KEYS = Array.from({ length: 100 }, (_, index) => `key/${index}`);
const REDIS_PORT = '16399';

function start(command, ...options) {
  const child = spawn(command, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  return { child, lines: createInterface({ input: child.stdout }) };
}

const served = start(mantisdb, '--memory', '--listen', '127.0.0.1:0');
const [line] = await once(served.lines, 'line');
const peer = start(redisServer, '--port', REDIS_PORT, '--save', '', '--appendonly', 'no');
for await (const line of peer.lines) if (line.includes('Ready to accept connections')) break;

const url = /http:\/\/\S+/.exec(line)[0];
const databases = [connect(url), connect(url, { fetch: nodeFetch() })];
const redis = new Redis({ port: Number(REDIS_PORT) });

/** So many calls at a time, until there were so many of them. */
async function many(calls, atOnce, call) {
  let left = calls;
  const worker = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

const sets = KEYS.map((key) => ({ op: 'set', key, value: VALUE }));
/** Name, calls of a round, those at once, and a call of each: on a bucket, and on Redis. */
const CASES = [
  ['set, one after the other', 500, 1, (kv) => kv.set('a', VALUE), () => redis.set('a', VALUE)],
  ['get, one after the other', 500, 1, (kv) => kv.get('a'), () => redis.getBuffer('a')],
  ['get, 50 at once', 2000, 50, (kv) => kv.get('a'), () => redis.getBuffer('a')],
  [
    '100 sets: apply, pipeline',
    200,
    1,
    (kv) => kv.apply(sets),
    async () => {
      const pipeline = redis.pipeline();
      for (const key of KEYS) pipeline.set(key, VALUE);
      await pipeline.exec();
    },
  ],
  [
    '100 gets: getMany, pipeline',
    200,
    1,
    (kv) => kv.getMany(KEYS),
    async () => {
      const pipeline = redis.pipeline();
      for (const key of KEYS) pipeline.getBuffer(key);
      await pipeline.exec();
    },
  ],
];

/** Microseconds of a call, and of the processor in this process. */
async function round(calls, atOnce, call) {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  await many(calls, atOnce, call);
  const { user, system } = process.cpuUsage(cpu);
  return { us: ((performance.now() - begin) * 1000) / calls, cpuUs: (user + system) / calls };
}

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

console.log(
  '| | µs: fetch | nodeFetch | ioredis | CPU µs: fetch | nodeFetch | ioredis |\n|---|---|---|---|---|---|---|',
);
for (const [name, calls, atOnce, ours, theirs] of CASES) {
  const surfaces = [...databases.map((db) => db.kv('bench')).map((kv) => () => ours(kv)), theirs];
  const rounds = surfaces.map(() => []);
  for (let n = -3; n < ROUNDS; n++) {
    for (const [which, call] of surfaces.entries()) {
      const measured = await round(calls, atOnce, call);
      // The first ones warm up.
      if (n >= 0) rounds[which].push(measured);
    }
  }
  const figures = ['us', 'cpuUs'].flatMap((figure) => rounds.map((all) => median(all.map((one) => one[figure]))));
  console.log(`| ${name} | ${figures.map((figure) => figure.toFixed(0)).join(' | ')} |`);
}
redis.disconnect();
for (const db of databases) await db.close();
served.child.kill();
peer.child.kill();
