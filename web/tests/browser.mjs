// A browser and a server of static files for the tests.

import { chromium } from 'playwright-core';
import { serve } from '../serve.mjs';
import { fileURLToPath } from 'node:url';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** Starts Chromium (CHROMIUM, or Debian's) and a server of the folder `web`. */
export async function startBrowser() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const site = await serve(fileURLToPath(new URL('..', import.meta.url)));
  let browser;
  try {
    browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
  } catch (cause) {
    await site.close();
    throw new Error(`${executablePath} does not start: install chromium, or name a browser in CHROMIUM`, { cause });
  }
  return {
    origin: site.origin,
    /** A new page in a context of its own. What goes wrong in it fails the test that asked for it. */
    async page(path, options = {}) {
      const context = await browser.newContext(options);
      const page = await context.newPage();
      const problems = [];
      page.on('pageerror', (error) => problems.push(`uncaught: ${error.stack ?? error}`));
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(`console: ${message.text()}`);
      });
      await page.goto(new URL(path, site.origin).href);
      return Object.assign(page, { problems });
    },
    async close() {
      await browser.close();
      await site.close();
    },
  };
}
