// A small server of static files, for the demo and the tests. It listens on the loopback address only.
// node serve.mjs [FOLDER] [PORT]

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const MEDIA_TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

/** Serves a folder, with these headers too; port 0 picks a free one. */
export async function serve(folder, port = 0, headers = {}) {
  const root = resolve(folder);
  const server = createServer((request, response) => {
    answer(root, request, response, headers).catch(() => response.writeHead(500).end());
  });
  await new Promise((done, failed) => {
    server.once('error', failed);
    server.listen(port, '127.0.0.1', done);
  });
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  };
}

async function answer(root, request, response, headers) {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return response.writeHead(405, { allow: 'GET, HEAD' }).end();
  const path = await fileOf(root, request.url);
  if (path === null) return response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
  const type = MEDIA_TYPES[extname(path)] ?? 'application/octet-stream';
  response.writeHead(200, {
    'content-type': type,
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  if (request.method === 'HEAD') return response.end();
  createReadStream(path)
    .on('error', () => response.destroy())
    .pipe(response);
}

/** The file that a path names; null when there is none in the folder. */
async function fileOf(root, url) {
  let path;
  try {
    path = join(root, normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname)));
  } catch {
    return null;
  }
  if (path !== root && !path.startsWith(root.endsWith(sep) ? root : root + sep)) return null;
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) {
    const index = join(path, 'index.html');
    return (await stat(index).catch(() => null))?.isFile() ? index : null;
  }
  return found?.isFile() ? path : null;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder = fileURLToPath(new URL('demo/dist', import.meta.url)), port = '8000'] = process.argv.slice(2);
  const { origin } = await serve(folder, Number(port));
  console.log(`serving ${folder} at ${origin}`);
}
