// A real server for the tests, with an empty database in memory.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** MANTISDB_BIN, or what `cargo build -p mantisdb` makes. */
const BINARY = process.env.MANTISDB_BIN ?? fileURLToPath(new URL('../../target/debug/mantisdb', import.meta.url));
const COMPONENTS = new URL('../../guest/target/components/', import.meta.url);
const START_MS = 20_000;

/** Starts a server on a free port that lets pages of `origin` in. */
export async function startServer(origin) {
  if (!existsSync(BINARY))
    throw new Error(`${BINARY} is missing: cargo build -p mantisdb, or name a binary in MANTISDB_BIN`);
  const child = spawn(BINARY, ['--memory', '--listen', '127.0.0.1:0', '--cors-origin', origin], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = [];
  child.stderr.on('data', (text) => log.push(String(text)));
  const url = await address(child, log);
  return {
    url,
    /** Installs a component of `guest/target/components` under its name. */
    async install(name, query = 'buckets=*:write') {
      const body = readFileSync(new URL(`${name}.wasm`, COMPONENTS));
      const response = await fetch(`${url}/api/v1/plugins/${name}?${query}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/wasm' },
        body,
      });
      if (!response.ok) throw new Error(`installing ${name} answered ${response.status}: ${await response.text()}`);
    },
    stop: () =>
      new Promise((done) => {
        child.once('exit', done);
        child.kill('SIGKILL');
      }),
  };
}

/** The first line says where it listens. */
function address(child, log) {
  return new Promise((found, failed) => {
    const give = (why) => failed(new Error(`${BINARY} ${why}\n${log.join('')}`));
    const timer = setTimeout(() => give(`said nothing within ${START_MS} ms`), START_MS);
    child.once('error', (error) => give(`does not start: ${error.message}`));
    child.once('exit', (code) => give(`ended with ${code}`));
    createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(timer);
      const url = /http:\/\/\S+/.exec(line)?.[0];
      if (url === undefined) give(`began with ${JSON.stringify(line)}`);
      else found(url);
    });
  });
}
