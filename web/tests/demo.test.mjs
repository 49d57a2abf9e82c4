// The demo, used as a person uses it: in the page, and with a server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBrowser } from './browser.mjs';
import { startServer } from './server.mjs';

const WAIT_MS = 10_000;

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());

/** Opens the demo, and closes what the test opened. */
async function withDemo(work) {
  const page = await browser.page('/demo/dist/', { viewport: { width: 1200, height: 900 } });
  page.setDefaultTimeout(WAIT_MS);
  await shows(page, '#status', /^Open\. The data is in the memory of this page/);
  await work(page);
  assert.deepEqual(page.problems, []);
  await page.context().close();
}

/** Waits until an element shows a text. */
async function shows(page, selector, pattern) {
  const seen = async () => (await page.locator(selector).innerText()).replaceAll(/\s+/g, ' ').trim();
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const text = await seen();
    if (pattern.test(text)) return;
    if (Date.now() > end) assert.match(text, pattern, selector);
    await page.waitForTimeout(20);
  }
}

async function set(page, key, value, ttl = '') {
  await page.fill('#key', key);
  await page.fill('#value', value);
  await page.fill('#ttl', ttl);
  await page.click('#set-button');
}

/** Sets, gets, lists, watches and deletes; the same wherever the data is. */
async function useKeys(page) {
  await set(page, 'user/ada', 'Ada Lovelace');
  await shows(page, '#answer', /^Set user\/ada, version \d+\.$/);
  await set(page, 'user/grace', '<b>Grace</b> Hopper', '90');
  await set(page, 'other', 'x');
  await shows(
    page,
    '#entries',
    /^other x \d+ never Delete user\/ada Ada Lovelace \d+ never Delete user\/grace <b>Grace<\/b> Hopper \d+ in (90|89|88) s Delete$/,
  );
  await shows(
    page,
    '#changes',
    /^put default\/other = x \d+ put default\/user\/grace = <b>Grace<\/b> Hopper \d+ put default\/user\/ada = Ada Lovelace \d+$/,
  );

  await page.fill('#key', 'user/ada');
  await page.click('#get-button');
  await shows(page, '#answer', /^user\/ada = Ada Lovelace \(version \d+, text\/plain; charset=utf-8\)$/);
  await page.fill('#key', 'nobody');
  await page.click('#get-button');
  await shows(page, '#answer', /^There is no key nobody\.$/);

  await page.fill('#prefix', 'user/');
  await shows(page, '#entries', /^user\/ada .* user\/grace .* Delete$/);
  await page.fill('#prefix', '');

  await page.click('[aria-label="Delete other"]');
  await shows(page, '#answer', /^Deleted other\.$/);
  await shows(page, '#entries', /^user\/ada .* Delete$/);
  await shows(page, '#changes', /^delete default\/other \d+ /);

  await page.fill('#bucket', 'No such name');
  await page.press('#bucket', 'Enter');
  await shows(page, '#no-entries', /A bucket's name has 1 to 63 characters/);
  await page.fill('#bucket', 'default');
  await page.press('#bucket', 'Enter');
  await shows(page, '#entries', /^user\/ada /);
}

async function playLeaderboard(page) {
  for (const [player, score, rank] of [
    ['Ada', '4200', 1],
    ['Grace', '5100', 1],
    ['Alan', '4200', 2],
    ['Ada', '1', 2],
  ]) {
    await page.fill('#player', player);
    await page.fill('#score', score);
    await page.click('#submit-button');
    await shows(page, '#board-answer', new RegExp(`^${player} is at rank ${rank}\\.$`));
  }
  await shows(page, '#standings', /^1 Grace 5100 2 Ada 4200 2 Alan 4200$/);
}

test('keys are set, read, listed, watched and deleted in the page', () => withDemo(useKeys));

test('the leaderboard runs in the page', () =>
  withDemo(async (page) => {
    await shows(page, '#no-standings', /^Nobody has played yet\.$/);
    await shows(page, '#board-place', /^plugin in this page$/);
    await playLeaderboard(page);
    await page.fill('#player', 'x'.repeat(10));
    await page.fill('#score', '99999999999999999999');
    await page.click('#submit-button');
    await shows(page, '#board-answer', /score: must be between -9223372036854775808 and 9223372036854775807/);
  }));

test('the same page works with a server, and finds its own data again', async () => {
  const server = await startServer(browser.origin);
  try {
    await server.install('leaderboard', 'buckets=leaderboard:write');
    await withDemo(async (page) => {
      await set(page, 'mine', 'in the page');
      await shows(page, '#entries', /^mine /);

      await page.click('.switch :text("On a server")');
      await page.fill('#url', server.url);
      await page.click('#connect');
      await shows(page, '#status', new RegExp(`^Open\\. The data is at ${server.url}`));
      await shows(page, '#no-entries', /^No keys yet/);
      await shows(page, '#board-place', /^plugin on the server$/);
      await useKeys(page);
      await playLeaderboard(page);

      // Somebody else writes, and it shows.
      await fetch(`${server.url}/api/v1/kv/elsewhere`, { method: 'PUT', body: 'hello' });
      await shows(page, '#entries', /^elsewhere hello /);

      await page.click('.switch :text("In this page")');
      await shows(page, '#entries', /^mine in the page 1 never Delete$/);
    });
  } finally {
    await server.stop();
  }
});

test('a server that is not there is reported, and the page can go back', async () => {
  const page = await browser.page('/demo/dist/');
  page.setDefaultTimeout(WAIT_MS);
  await shows(page, '#status', /^Open\./);
  await set(page, 'mine', 'in the page');
  await shows(page, '#entries', /^mine /);
  await page.click('.switch :text("On a server")');
  await page.fill('#url', 'http://127.0.0.1:1');
  await page.click('#connect');
  await shows(page, '#status', /^cannot reach http:\/\/127\.0\.0\.1:1/);
  // The forms are there all the while. Sent to nobody, they must not load the page anew: its data would be gone.
  await set(page, 'lost', 'x');
  await shows(page, '#answer', /^No database is open\./);
  await page.fill('#player', 'Ada');
  await page.fill('#score', '1');
  await page.press('#score', 'Enter');
  await shows(page, '#board-answer', /^No database is open\./);
  await page.click('.switch :text("In this page")');
  await shows(page, '#status', /^Open\./);
  await shows(page, '#entries', /^mine in the page 1 never Delete$/);
  await page.context().close();
});

test('it can be used with the keyboard alone', () =>
  withDemo(async (page) => {
    await page.focus('#key');
    await page.keyboard.type('typed');
    await page.keyboard.press('Tab');
    await page.keyboard.type('by hand');
    await page.keyboard.press('Enter');
    await shows(page, '#entries', /^typed by hand 1 never Delete$/);
    await page.focus('[aria-label="Delete typed"]');
    await page.keyboard.press('Enter');
    await shows(page, '#answer', /^Deleted typed\.$/);
    const unnamed = await page.evaluate(
      () =>
        [...document.querySelectorAll('input, button')].filter((element) => {
          const named = element.getAttribute('aria-label') ?? (element.labels?.[0]?.textContent || element.textContent);
          return !named?.trim();
        }).length,
    );
    assert.equal(unnamed, 0);
  }));

test('a narrow screen needs no sideways scrolling', async () => {
  const page = await browser.page('/demo/dist/', { viewport: { width: 360, height: 700 } });
  await shows(page, '#status', /^Open\./);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
  await page.context().close();
});
