import { open, toText } from 'mantisdb-web';
import counter from 'mantisdb-web/plugins/counter';
import { use } from './use.js';

/** The answer of the worker. */
function inWorker() {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
}

async function run() {
  const db = await open();
  await db.kv().set('a', 'kept');
  const value = toText(await db.kv().get('a'));
  return { value, page: await use(counter), worker: await inWorker() };
}

run().then(
  (answer) => (window.answer = answer),
  (error) => (window.answer = { error: `${error.code}: ${error.message}` }),
);
