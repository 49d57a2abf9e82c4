// Transactions: several at once, conflicts, and what an ended one says. Over the page's own store and over a server.

import { checkBoth, checkRefusals, withPage } from './harness.mjs';

const held = withPage();
const check = (name, work, expected, options) => checkBoth(held, name, work, expected, options);

check(
  'nobody sees a write before the commit',
  async (db) => {
    const transaction = await db.transaction();
    await transaction.kv().set('a', '1');
    await transaction.kv('other').set('b', '2');
    const own = toText(await transaction.kv().get('a'));
    const before = [await db.kv().get('a'), (await db.buckets()).length];
    const written = await transaction.commit();
    return [own, before, written, toText(await db.kv().get('a')), toText(await db.kv('other').get('b'))];
  },
  ['1', [null, 1], { version: '1n', durable: false }, '1', '2'],
);

check(
  'a rollback leaves nothing',
  async (db) => {
    const transaction = await db.transaction();
    await transaction.kv().set('a', '1');
    await transaction.rollback();
    await transaction.rollback();
    return [await db.kv().get('a'), (await db.stats()).commits];
  },
  [null, 0],
);

check(
  'a transaction reads one moment',
  async (db) => {
    await db.kv().set('a', 'old');
    const transaction = await db.transaction();
    const before = toText(await transaction.kv().get('a'));
    await db.kv().set('a', 'new');
    const after = toText(await transaction.kv().get('a'));
    return [before, after, (await transaction.kv().scan()).entries.length];
  },
  ['old', 'old', 1],
);

check(
  'who commits second after reading the same loses',
  async (db) => {
    await db.kv().set('balance', '10');
    const [first, second] = [await db.transaction(), await db.transaction()];
    await first.kv().increment('balance', 1);
    await second.kv().increment('balance', 2);
    await first.commit();
    const lost = await second.commit().catch((error) => error);
    return [lost, toText(await db.kv().get('balance')), (await db.stats()).conflicts];
  },
  [{ code: 'conflict', kind: 'conflict' }, '11', 1],
);

check(
  'a key that appears in a span that was read is a conflict',
  async (db) => {
    const transaction = await db.transaction();
    const free = await transaction.kv().count({ prefix: 'seat/' });
    await transaction.kv().set('taken', String(free));
    await db.kv().set('seat/1', '');
    return transaction.commit().catch((error) => error.code);
  },
  'conflict',
);

check(
  'under snapshot isolation only writes meet',
  async (db) => {
    await db.kv().set('a', '1');
    const transaction = await db.transaction({ isolation: 'snapshot' });
    await transaction.kv().get('a');
    await transaction.kv().set('b', '1');
    await db.kv().set('a', '2');
    return transaction.commit();
  },
  { version: '3n', durable: false },
);

check(
  'several are open at once',
  async (db) => {
    const open = await Promise.all(Array.from({ length: 50 }, () => db.transaction()));
    await Promise.all(open.map((transaction, n) => transaction.kv().set(`k${n}`, String(n))));
    const commits = await Promise.all(open.map((transaction) => transaction.commit()));
    return [new Set(commits.map(({ version }) => version)).size, await db.kv().count()];
  },
  [50, 50],
);

check(
  'transact runs the work again after a conflict',
  async (db) => {
    let runs = 0;
    const result = await db.transact(async (transaction) => {
      runs += 1;
      const seen = await transaction.kv().get('a');
      if (runs < 3) await db.kv().set('a', String(runs));
      await transaction.kv().set('b', seen ?? 'none');
      return runs;
    });
    return [result, toText(await db.kv().get('b'))];
  },
  [3, '2'],
);

check(
  'transact gives up after eight conflicts',
  async (db) => {
    let runs = 0;
    const work = async (transaction) => {
      runs += 1;
      await transaction.kv().get('a');
      await transaction.kv().set('b', '');
      await db.kv().set('a', String(runs));
    };
    const error = await db.transact(work).catch((error) => error);
    return [error, runs];
  },
  [{ code: 'conflict', kind: 'conflict' }, 8],
);

check(
  'however many contend for one key, each comes to its turn',
  async (db) => {
    const contended = Array.from({ length: 40 }, () =>
      db.transact(async (transaction) => {
        const kv = transaction.kv();
        const seen = Number(toText((await kv.get('n')) ?? toBytes('0')));
        await new Promise((resolve) => setTimeout(resolve, 1));
        await kv.set('n', String(seen + 1));
      }),
    );
    const outcomes = await Promise.allSettled(contended);
    return [outcomes.filter(({ status }) => status === 'rejected').length, toText(await db.kv().get('n'))];
  },
  [0, '40'],
);

check(
  'a transaction within one that has its turn is not waited for for ever',
  async (db) => {
    let runs = 0;
    return db.transact(async (transaction) => {
      runs += 1;
      await transaction.kv().get('a');
      if (runs < 5) await db.kv().set('a', String(runs));
      if (runs === 5) await db.transact(async (inner) => inner.kv().set('inner', 'x'));
      await transaction.kv().set('b', 'x');
      return runs;
    });
  },
  5,
);

check(
  'transact rolls back what fails and passes the error on',
  async (db) => {
    const work = async (transaction) => {
      await transaction.kv().set('a', '1');
      throw new RangeError('enough');
    };
    const error = await db.transact(work).catch((error) => `${error.name}: ${error.message}`);
    return [error, await db.kv().get('a'), (await db.stats()).snapshots];
  },
  ['RangeError: enough', null, 0],
);

check(
  'a batch in a transaction that is refused leaves the transaction as it was',
  async (db) => {
    const transaction = await db.transaction();
    const kv = transaction.kv();
    const written = [
      await kv.set('a', '1'),
      await kv.delete('b'),
      await kv.increment('n'),
      await kv.deleteSpan({ prefix: 'n' }),
    ];
    const applied = await kv.apply([
      { op: 'set', key: 'b', value: '2' },
      { op: 'check', key: 'a', expect: 'absent' },
    ]);
    await transaction.commit();
    return [
      written.map(({ version, durable }) => [version, durable]),
      applied.committed,
      applied.refusals[0].current.version,
      await db.kv().get('b'),
      toText(await db.kv().get('a')),
    ];
  },
  [Array(4).fill(['0n', false]), false, '0n', null, '1'],
);

check(
  'one that is open for too long is told to begin again',
  async (db, clock) => {
    const transaction = await db.transaction();
    await transaction.kv().get('a');
    clock.advance(60_001);
    db.maintain();
    await db.kv().set('b', '1');
    return transaction
      .kv()
      .get('a')
      .catch((error) => error);
  },
  { code: 'transaction-too-old', kind: 'conflict' },
  { clock: 1_000 },
);

const ended = (call) =>
  `(async () => { const t = await db.transaction(); const kv = t.kv(); await t.commit(); return ${call}; })()`;
checkRefusals(
  held,
  'an ended transaction says so',
  ["kv.get('a')", "kv.set('a', '')", 'kv.scan()', "t.kv('b').get('a')", 't.commit()'].map((call) => [
    ended(call),
    'transaction-not-open',
    'invalid',
  ]),
);
