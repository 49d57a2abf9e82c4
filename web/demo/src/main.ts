/** The demo: one page, one interface, and a switch between its two implementations. */

import { connect, open, type MantisDB } from '../../ts/index.js';
import { element, explain, say } from './dom.js';
import { clearFeed, follow } from './feed.js';
import { Keys } from './keys.js';
import { Leaderboard } from './leaderboard.js';

const status = element('status');
const urlField = element<HTMLInputElement>('url');
const connectButton = element<HTMLButtonElement>('connect');
const form = element<HTMLFormElement>('place');

/** The page's own database stays when the switch is turned, and is there again when it is turned back. */
let inPage: Promise<MantisDB> | undefined;
let session = new AbortController();
/** Whether a database answers: between two, and after one that cannot be reached, none does. */
let isOpen = false;

async function use(place: 'page' | 'server'): Promise<void> {
  session.abort();
  isOpen = false;
  const mine = (session = new AbortController());
  const { signal } = mine;
  say(status, place === 'page' ? 'Opening …' : 'Connecting …');
  try {
    // The one line in which the two differ.
    const database = place === 'page' ? await openOnce() : connect(urlField.value);
    await start(database, signal);
  } catch (error) {
    if (signal.aborted) return;
    mine.abort();
    say(status, `${explain(error)}`, true);
  }
}

/** The page's database. One that could not be opened is tried again. */
async function openOnce(): Promise<MantisDB> {
  try {
    return await (inPage ??= open());
  } catch (error) {
    inPage = undefined;
    throw error;
  }
}

async function start(database: MantisDB, signal: AbortSignal): Promise<void> {
  const stats = await database.stats();
  if (signal.aborted) return;
  const keys = new Keys(database, signal);
  const board = new Leaderboard(database, signal);
  clearFeed();
  const refresh = onceAFrame(async () => {
    if (signal.aborted) return;
    await Promise.all([keys.list(), board.show(), figures(database)]);
  });
  isOpen = true;
  void follow(database, signal, refresh);
  refresh();
  const where = database.url === null ? 'in the memory of this page' : `at ${database.url}`;
  say(status, `Open. The data is ${where}; version ${stats.version}.`);
  document.documentElement.dataset.open = database.url ?? 'page';
}

async function figures(database: MantisDB): Promise<void> {
  const { keys, keyBytes, valueBytes, commits } = await database.stats();
  const bytes = (keyBytes ?? 0) + (valueBytes ?? 0);
  element('figures').textContent = `${keys} keys in all buckets, ${bytes} bytes, ${commits} commits.`;
}

/** Many changes lead to one refresh. */
function onceAFrame(work: () => Promise<void>): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work().catch((error: unknown) => say(status, explain(error), true));
    });
  };
}

function chosen(): 'page' | 'server' {
  return new FormData(form).get('place') === 'server' ? 'server' : 'page';
}

form.addEventListener('change', (event) => {
  if (event.target === urlField) return;
  const onServer = chosen() === 'server';
  for (const shown of [connectButton, urlField.parentElement as HTMLElement]) shown.hidden = !onServer;
  if (onServer) urlField.focus();
  else void use('page');
});
form.addEventListener('submit', (event) => {
  event.preventDefault();
  void use(chosen());
});
element('clear-feed').addEventListener('click', clearFeed);

/** Whatever listens or not: a form that the browser sends itself loads the page anew, and the page's data is gone. */
function refuseWhenClosed(event: Event, place: string): void {
  event.preventDefault();
  if (!isOpen) say(element(place), 'No database is open. Connect to one, or use the one in this page.', true);
}
for (const [form, place] of [
  ['set', 'answer'],
  ['submit', 'board-answer'],
] as const) {
  element(form).addEventListener('submit', (event) => refuseWhenClosed(event, place));
}
element('get-button').addEventListener('click', (event) => refuseWhenClosed(event, 'answer'));

void use('page');
