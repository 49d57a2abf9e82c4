// What stands between a client and a server where networks fail.

import { connect, createServer } from 'node:net';

/** Passes bytes on, until it is told to cut what is open, or to keep from the client whatever the server says. */
export async function startProxy(target) {
  const { hostname, port } = new URL(target);
  const open = new Set();
  let connections = 0;
  let isMuted = false;
  const listener = createServer((near) => {
    connections += 1;
    const far = connect(Number(port), hostname);
    const pair = { near, far, isMuted };
    open.add(pair);
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => pair.isMuted || near.write(bytes));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      from.on('error', () => {});
      from.on('close', () => (open.delete(pair), to.destroy()));
    }
  });
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    connections: () => connections,
    /** Cuts what is open. */
    cut: () => open.forEach(({ near }) => near.destroy()),
    /** Keeps what is open, and says nothing more on it. */
    mute: () => open.forEach((pair) => (pair.isMuted = true)),
    /** Says nothing on later connections either, or does again. */
    muteAll: (muted) => (isMuted = muted),
    async close() {
      this.cut();
      await new Promise((done) => listener.close(done));
    },
  };
}
