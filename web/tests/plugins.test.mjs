// Plugins: the same components in the page, over the page's own store, and on a server.

import { checkBoth, checkRefusals, withPage } from './harness.mjs';

const FIXTURES = [
  'always-conflict',
  'flood-logs',
  'hand-over-too-much',
  'hoard-handles',
  'over-allocate',
  'procedures',
  'recurse',
  'tasks',
  'trap',
  'types',
];

const held = withPage(async ({ page }) => {
  await page.evaluate(async (fixtures) => {
    window.modules = {};
    const load = async (folder, name) => (window.modules[name] = (await import(`${folder}/${name}/plugin.js`)).default);
    for (const name of fixtures) await load('/tests/dist', name);
    for (const name of ['counter', 'leaderboard']) await load('/dist/plugins', name);
    window.logged = [];
    /** A plugin with every grant, whose log is kept. */
    window.all = (db, name, more = {}) =>
      db.plugin(modules[name], { grants: 'all', log: (level, line) => logged.push(`${level} ${line}`), ...more });
  }, FIXTURES);
});
const check = (name, work, expected, options) => checkBoth(held, name, work, expected, options);

check(
  'the leaderboard ranks players',
  async (db) => {
    const board = all(db, 'leaderboard');
    const ranks = [];
    for (const [player, score] of [
      ['ada', 10],
      ['grace', 30],
      ['alan', '20'],
      ['ada', 5],
      ['ada', 30],
    ]) {
      ranks.push(await board.call('submit', [player, score]));
    }
    return [
      ranks,
      await board.call('top', { n: 2 }),
      await board.call('standing-of', ['alan']),
      await board.call('standing-of', { player: 'nobody' }),
      await db.kv('leaderboard').count({ prefix: 'player/' }),
    ];
  },
  [
    [1, 1, 2, 3, 1],
    [
      { player: 'ada', score: 30, rank: 1 },
      { player: 'grace', score: 30, rank: 1 },
    ],
    { player: 'alan', score: 20, rank: 3 },
    null,
    3,
  ],
  { install: ['leaderboard'] },
);

check(
  "a plugin's own error comes as its value",
  async (db) => {
    const error = await all(db, 'leaderboard')
      .call('submit', ['', 1])
      .catch((error) => error);
    return [error.code, error.kind, error.value];
  },
  ['plugin-error', 'other', "a player's name has 1 to 64 bytes"],
  { install: ['leaderboard'] },
);

check(
  'a call is one transaction, and one change to those who watch',
  async (db) => {
    // On a server the installation is a commit, too.
    const { commits } = await db.stats();
    const feed = db.changes();
    await all(db, 'leaderboard').call('submit', ['ada', 1]);
    const versions = [(await feed.next()).value.version, (await feed.next()).value.version];
    return [versions.map((version) => version - BigInt(commits)), (await db.stats()).commits - commits];
  },
  [['1n', '1n'], 1],
  { install: ['leaderboard'] },
);

check(
  'what a call wrote is undone when it returns an error, or crashes',
  async (db) => {
    const codes = [];
    const { commits } = await db.stats();
    for (const [plugin, name, args] of [
      ['procedures', 'set-and-fail', ['faults', 'written']],
      ['trap', 'panic-after-write', []],
      ['trap', 'divide-by-zero', [0]],
      ['trap', 'read-out-of-bounds', []],
      ['recurse', 'deep', [100_000_000]],
      ['over-allocate', 'until-death', []],
    ]) {
      codes.push(
        await all(db, plugin)
          .call(name, args)
          .catch((error) => error.code),
      );
    }
    const after = await db.stats();
    return [codes, await db.kv('faults').get('written'), after.commits - commits, after.snapshots];
  },
  [['plugin-error', 'plugin-trap', 'plugin-trap', 'plugin-trap', 'plugin-trap', 'plugin-trap'], null, 0, 0],
  {
    install: ['procedures', 'trap', 'recurse', 'over-allocate'],
    // A browser does not tell which limit ended the code.
    overHttp: [
      ['plugin-error', 'plugin-trap', 'plugin-trap', 'plugin-trap', 'plugin-limit', 'plugin-limit'],
      null,
      0,
      0,
    ],
  },
);

check(
  'memory is limited to 64 MiB',
  async (db) => {
    const mebibytes = await all(db, 'over-allocate').call('politely');
    return mebibytes > 50 && mebibytes <= 64;
  },
  true,
  { install: ['over-allocate'] },
);

check(
  'a call that lost is run again; the page may write in between',
  async (db) => {
    let interruptions = 2;
    const log = () => {
      if (interruptions-- > 0) db.kv('n').increment('key', 10);
    };
    const result = await all(db, 'procedures', { log }).call('read-modify-write', ['n', 'key']);
    return [result, toText(await db.kv('n').get('key'))];
  },
  [21, '21'],
  { overHttp: false },
);

check(
  'a call that loses each time gives up',
  async (db) => {
    let runs = 0;
    const log = () => db.kv('n').set('key', String(runs++));
    const error = await all(db, 'procedures', { log })
      .call('read-modify-write', ['n', 'key'])
      .catch((error) => error);
    return [error, runs];
  },
  [{ code: 'conflict', kind: 'conflict' }, 9],
  { overHttp: false },
);

check(
  'a plugin that says that it lost is run again, and not for ever',
  (db) =>
    all(db, 'always-conflict')
      .call('pretend')
      .catch((error) => error),
  { code: 'conflict', kind: 'conflict' },
  { install: ['always-conflict'] },
);

check(
  'an instance serves one call, or several where that is asked for',
  async (db) => {
    const fresh = all(db, 'procedures');
    const kept = all(db, 'procedures', { reuse: true });
    const count = async (plugin) => [
      await plugin.call('calls-of-this-instance'),
      await plugin.call('calls-of-this-instance'),
    ];
    const handles = [await kept.call('keep-handle'), await kept.call('keep-handle')];
    const trap = all(db, 'trap', { reuse: true });
    const counts = [await trap.call('count', [false]), await trap.call('count', [false])];
    await trap.call('count', [true]).catch(() => {});
    counts.push(await trap.call('count', [false]));
    return [await count(fresh), await count(kept), handles, counts];
  },
  [
    [1, 1],
    [1, 2],
    [false, true],
    [1, 2, 1],
  ],
  { overHttp: false },
);

check(
  'calls at the same time do not share an instance',
  async (db) => {
    const kept = all(db, 'procedures', { reuse: true });
    return Promise.all([1, 2, 3].map(() => kept.call('calls-of-this-instance')));
  },
  [1, 1, 1],
  { overHttp: false },
);

check(
  'many calls at once take their turn on a few instances',
  async (db) => {
    const plugin = all(db, 'counter');
    const calls = Array.from({ length: 200 }, () => plugin.call('increment', ['visits', 1]));
    const outcomes = await Promise.allSettled(calls);
    const failed = outcomes.filter(({ status }) => status === 'rejected').map(({ reason }) => String(reason));
    return [failed, Math.max(...outcomes.map(({ value }) => value))];
  },
  [[], 200],
  { overHttp: false },
);

check(
  'an instance for which there is no memory is made later, and what remains is no raw error',
  async (db) => {
    const real = modules.counter;
    let failures = 2;
    const scarce = {
      ...real,
      instantiate: (imports) => {
        if (failures-- > 0) throw new RangeError('WebAssembly.Memory(): could not allocate memory');
        return real.instantiate(imports);
      },
    };
    const counted = await db.plugin(scarce, { grants: 'all' }).call('increment', ['n', 1]);
    const codes = [];
    for (const thrown of [new RangeError('no memory'), new WebAssembly.LinkError('an import is missing')]) {
      const never = { ...real, instantiate: () => Promise.reject(thrown) };
      codes.push(
        await db
          .plugin(never)
          .call('increment', ['n', 1])
          .catch((error) => error),
      );
    }
    return [counted, codes];
  },
  [
    1,
    [
      { code: 'plugin-limit', kind: 'other' },
      { code: 'plugin-trap', kind: 'other' },
    ],
  ],
  { overHttp: false },
);

check(
  'a plugin is told of a store that is full, and one that crashed says so to the caller',
  async () => {
    const db = await open({ storeBytesMax: 100_000 });
    const plugin = all(db, 'procedures');
    await db.kv('n').set('large', new Uint8Array(99_000));
    const full = await plugin.call('set', ['n', 'b', 'x'.repeat(2_000)]).catch((error) => error.value);
    const read = await plugin.call('get', ['n', 'c']);
    await db.close();
    return [full.limit.code, read];
  },
  ['store-full', null],
  { overHttp: false },
);

check(
  'a plugin sees what it is granted',
  async (db) => {
    await db.kv('scores').set('a', '1');
    await db.kv('secrets').set('a', '2');
    const plugin = db.plugin(modules.procedures, { grants: { scores: 'write', users: 'read' } });
    const outcome = (name, args) => plugin.call(name, args).catch((error) => Object.keys(error.value)[0]);
    const none = db.plugin(modules.procedures);
    return [
      await outcome('get', ['scores', 'a']),
      await outcome('set', ['scores', 'a', '3']),
      await outcome('get', ['users', 'a']),
      await outcome('set', ['users', 'a', '3']),
      await outcome('get', ['secrets', 'a']),
      await none.call('get', ['scores', 'a']).catch((error) => error.value['not-found'].code),
    ];
  },
  ['1', null, null, 'access-denied', 'not-found', 'bucket-not-found'],
  { overHttp: false },
);

check(
  'handles and log lines are bounded',
  async (db) => {
    const hoard = all(db, 'hoard-handles');
    const codes = [];
    for (const [name, count] of [
      ['open', 64],
      ['open', 65],
      ['leak', 65],
      ['open-and-close', 1_000],
    ]) {
      codes.push(await hoard.call(name, [count]).catch((error) => error.value.limit.code));
    }
    logged.length = 0;
    const flood = all(db, 'flood-logs');
    await flood.call('lines', [1_000]);
    const lines = logged.length;
    await flood.call('one-line', [10_000]);
    await flood.call('forged');
    return [codes, lines, logged.at(-2).length, logged.at(-1)];
  },
  [
    [64, 'handles-too-many', 'handles-too-many', 1_000],
    100,
    'info '.length + 4_097,
    'warn fine ERROR somebody else failed  [31m',
  ],
  { overHttp: false },
);

check(
  'what is handed over is bounded',
  async (db) => {
    const plugin = all(db, 'hand-over-too-much');
    const codes = [];
    for (const [name, size] of [
      ['key', 4_096],
      ['key', 4_097],
      ['value', 16 << 20],
      ['value', (16 << 20) + 1],
      ['keys', 1_001],
      ['batch', 10_001],
      ['page', 0],
      ['page', 1_001],
      ['random', 4_096],
      ['random', 4_097],
    ]) {
      const failure = (error) => (error.value ? Object.values(error.value)[0].code : error.code);
      codes.push(await plugin.call(name, [size]).then(() => 'done', failure));
    }
    return codes;
  },
  [
    'done',
    'key-too-long',
    'done',
    'value-too-large',
    'keys-too-many',
    'operations-too-many',
    'limit-out-of-range',
    'limit-out-of-range',
    'done',
    'plugin-limit',
  ],
  { install: ['hand-over-too-much'] },
);

check(
  'a call tells of its commit',
  async (db) => {
    const procedures = all(db, 'procedures');
    return [
      await procedures.invoke('set', ['tasks', 'a', '1']),
      await procedures.invoke('get', ['tasks', 'a']),
      await all(db, 'tasks').invoke('read-then-write', ['b']),
      await procedures.invoke('read-modify-write', ['tasks', 'a']),
    ];
  },
  [
    { value: null, version: '1n', durable: false },
    { value: '1', version: '1n', durable: false },
    { value: { version: 2, durable: false }, version: '2n', durable: false },
    { value: 2, version: '3n', durable: false },
  ],
  {
    install: ['procedures', 'tasks'],
    // Two installations are commits before.
    overHttp: [
      { value: null, version: '3n', durable: false },
      { value: '1', version: '3n', durable: false },
      { value: { version: 4, durable: false }, version: '4n', durable: false },
      { value: 2, version: '5n', durable: false },
    ],
  },
);

check(
  'a plugin may run its own transactions',
  async (db) => {
    const tasks = all(db, 'tasks');
    await db.kv('tasks').set('ada', '10');
    const outcome = (name, args) => tasks.call(name, args).catch((error) => error.value);
    const answers = [
      await outcome('move-amount', ['ada', 'grace', 4]),
      await outcome('move-amount', ['ada', 'grace', 40]),
      await outcome('write-and-fail', ['kept']),
      await outcome('write-and-drop', ['gone']),
      await outcome('use-after-commit', []),
      await outcome('leave-open', [4]),
      await outcome('leave-open', [5]),
    ];
    const keys = (await db.kv('tasks').scanKeys()).keys.map(toText);
    return [
      answers.map((answer) => answer?.invalid?.code ?? answer?.limit?.code ?? answer),
      keys,
      (await db.stats()).snapshots,
    ];
  },
  [
    [6, 'too-little', 'on purpose', null, 'transaction-not-open', 4, 'transactions-too-many'],
    ['ada', 'grace', 'kept'],
    0,
  ],
  { install: ['tasks'] },
);

check(
  'time and chance come from the page',
  async (db) => {
    const plugin = all(db, 'procedures');
    const [first, second] = [await plugin.call('random', [16]), await plugin.call('random', [16])];
    return [await plugin.call('now-ms'), JSON.stringify(first) !== JSON.stringify(second)];
  },
  [1_234, true],
  { clock: 1_234 },
);

/** Function, what goes in, and what comes out where that is not the same. */
const echoes = [
  ['echo-bool', true],
  ['echo-s8', -128],
  ['echo-u8', 255],
  ['echo-u8', '7', 7],
  ['echo-s16', -32_768],
  ['echo-u16', 65_535],
  ['echo-s32', -2_147_483_648],
  ['echo-u32', 4_294_967_295],
  ['echo-s64', -9_007_199_254_740_991],
  ['echo-s64', '-9007199254740992'],
  ['echo-s64', '-9223372036854775808'],
  ['echo-s64', '42', 42],
  ['echo-u64', '18446744073709551615'],
  ['echo-u64', 9_007_199_254_740_991],
  ['echo-u64', '9007199254740992'],
  ['echo-f32', 0.1],
  ['echo-f32', 16_777_216],
  ['echo-f64', 0.1],
  ['echo-f64', 'NaN'],
  ['echo-f64', '-Infinity'],
  ['echo-char', '🦗'],
  ['echo-string', 'ä\u0000🦗'],
  ['echo-bytes', 'text'],
  ['echo-bytes', [104, 105], 'hi'],
  ['echo-bytes', { base64: '/w==' }],
  ['echo-list', [[1, -2], []]],
  ['echo-tuple', [1, 'a', false]],
  ['echo-option', null],
  ['echo-option', 5],
  ['echo-nested-option', null],
  ['echo-nested-option', { some: null }],
  ['echo-nested-option', { some: 5 }],
  ['echo-enum', 'green-blue'],
  ['echo-flags', ['read', 'grant-others']],
  ['echo-variant', 'nothing'],
  ['echo-variant', { circle: 1.5 }],
  ['echo-variant', { sides: [1, 2] }],
  ['echo-variant', { named: ['a', 'red'] }],
  ['echo-variant', { maybe: null }],
  ['echo-variant', 'maybe', { maybe: null }],
  ['echo-list-of-results', [{ ok: 1 }, { err: 'no' }]],
  ['returned', { ok: 5 }, 5],
  ['returned-bare', { ok: null }, null],
  ['nothing', undefined, null],
  ['shapes.mirrored', { x: 1, y: 2 }, { x: 2, y: 1 }],
  ['more.mirrored', 'abc', 'cba'],
];
const everything = {
  id: 1,
  'nick-name': null,
  colors: ['red'],
  rights: [],
  shape: 'nothing',
  nested: { some: 1 },
  outcome: { err: 'e' },
  bare: { ok: null },
};
echoes.push(['echo-record', everything]);
check(
  'values of every type go in and out as JSON',
  `async (db) => {
    const plugin = all(db, 'types');
    const answers = [];
    for (const [name, value] of ${JSON.stringify(echoes)}) {
      answers.push([name, await plugin.call(name, name === 'nothing' ? [] : [value])]);
    }
    return answers;
  }`,
  echoes.map(([name, value, answer]) => [name, answer === undefined ? value : answer]),
  { install: ['types'] },
);

const unfit = [
  ['types', 'echo-u8', [256]],
  ['types', 'echo-u8', [1.5]],
  ['types', 'echo-u8', []],
  ['types', 'echo-u8', [1, 2]],
  ['types', 'echo-u8', { other: 1 }],
  ['types', 'echo-s64', ['9223372036854775808']],
  ['types', 'echo-s64', ['five']],
  ['types', 'echo-char', ['ab']],
  ['types', 'echo-bytes', [{ base64: '?' }]],
  ['types', 'echo-bytes', [[256]]],
  ['types', 'echo-enum', ['blue']],
  ['types', 'echo-flags', [['run']]],
  ['types', 'echo-variant', [{ circle: 1, sides: [] }]],
  ['types', 'echo-variant', [{ nothing: 1 }]],
  ['types', 'echo-tuple', [[1, 'a']]],
  ['types', 'echo-nested-option', [5]],
  ['types', 'echo-record', [{}]],
  ['types', 'returned', ['ok']],
];
checkRefusals(
  held,
  'arguments that do not fit are refused before the call',
  [
    ...unfit.map(([plugin, name, args]) => [
      `all(db, '${plugin}').call('${name}', ${JSON.stringify(args)})`,
      'arguments-invalid',
      'invalid',
    ]),
    ["all(db, 'types').call('more.make')", 'function-not-found', 'not-found'],
    ["all(db, 'counter').call('constructor')", 'function-not-found', 'not-found'],
  ],
  { install: ['types', 'counter'] },
);

check(
  'an optional argument may be left out',
  async (db) => {
    const plugin = all(db, 'types');
    return [
      await plugin.call('sum', [1]),
      await plugin.call('sum', { a: 1 }),
      await plugin.call('sum', { a: 1, b: 2 }),
    ];
  },
  [1, 1, 3],
  { install: ['types'] },
);

check(
  'plugins given to open are found by name',
  async () => {
    const db = await open({ plugins: [modules.counter] });
    const counter = db.plugin('counter', { grants: { counters: 'write' } });
    const answers = [
      await counter.call('increment', ['visits', 2]),
      await counter.call('increment', { name: 'visits', by: '3' }),
    ];
    return [counter.name, answers];
  },
  ['counter', [2, 5]],
  { overHttp: false },
);

check(
  'a plugin that a server does not have',
  (db) =>
    db
      .plugin('nobody')
      .call('anything')
      .catch((error) => error),
  { code: 'plugin-not-found', kind: 'not-found' },
);
