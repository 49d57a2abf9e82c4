import type { Cursor, Entry, MantisDB } from '../../ts/index.js';
import { attempt, element, make } from './dom.js';
import { show, showDeadline } from './show.js';

const PAGE_ENTRIES = 50;

const answer = element('answer');
const list = element('entries');
const keyField = element<HTMLInputElement>('key');
const valueField = element<HTMLInputElement>('value');
const ttlField = element<HTMLInputElement>('ttl');
const prefixField = element<HTMLInputElement>('prefix');
const bucketField = element<HTMLInputElement>('bucket');
const moreButton = element<HTMLButtonElement>('more');

/** The card that sets, gets, lists and deletes. */
export class Keys {
  #database: MantisDB;
  #cursor: Cursor | null = null;
  #listing = 0;

  constructor(database: MantisDB, signal: AbortSignal) {
    this.#database = database;
    const on = { signal };
    element('set').addEventListener('submit', (event) => (event.preventDefault(), this.#set()), on);
    element('get-button').addEventListener('click', () => this.#get(), on);
    prefixField.addEventListener('input', () => this.list(), on);
    bucketField.addEventListener('change', () => this.list(), on);
    moreButton.addEventListener('click', () => this.#append(this.#listing), on);
  }

  /** Shows the first page anew. */
  async list(): Promise<void> {
    this.#cursor = null;
    this.#listing += 1;
    await this.#append(this.#listing, true);
  }

  get #kv() {
    return this.#database.kv(bucketField.value || 'default');
  }

  #set(): Promise<void> {
    return attempt(answer, async () => {
      const ttlMs = ttlField.value === '' ? {} : { ttlMs: Number(ttlField.value) * 1000 };
      const options = { mediaType: 'text/plain; charset=utf-8', ...ttlMs };
      const outcome = await this.#kv.setWith(keyField.value, valueField.value, options);
      return outcome.written ? `Set ${keyField.value}, version ${outcome.version}.` : 'The key was not as expected.';
    });
  }

  #get(): Promise<void> {
    return attempt(answer, async () => {
      const entry = await this.#kv.getEntry(keyField.value);
      if (entry === null) return `There is no key ${keyField.value}.`;
      valueField.value = show(entry.value, 10_000);
      return `${keyField.value} = ${show(entry.value)} (version ${entry.version}, ${entry.mediaType})`;
    });
  }

  #append(listing: number, anew = false): Promise<void> {
    return attempt(anew ? element('no-entries') : answer, async () => {
      const page = await this.#kv.scan({ prefix: prefixField.value, limit: PAGE_ENTRIES, cursor: this.#cursor });
      // A later listing has begun meanwhile: its answer counts.
      if (listing !== this.#listing) return '';
      const rows = page.entries.map((entry) => this.#row(entry));
      if (anew) list.replaceChildren(...rows);
      else list.append(...rows);
      this.#cursor = page.cursor;
      moreButton.hidden = page.cursor === null;
      const empty = list.childElementCount === 0;
      element('no-entries').hidden = !empty;
      if (!anew) return '';
      return prefixField.value === '' ? 'No keys yet. Set one above.' : 'No keys begin so.';
    });
  }

  #row(entry: Entry): HTMLElement {
    const key = show(entry.key);
    const remove = make('button', 'quiet', 'Delete');
    remove.setAttribute('aria-label', `Delete ${key}`);
    remove.addEventListener('click', () =>
      attempt(answer, async () =>
        (await this.#kv.delete(entry.key)).existed ? `Deleted ${key}.` : `${key} was gone already.`,
      ),
    );
    return make(
      'tr',
      '',
      make('td', '', key),
      make('td', '', show(entry.value)),
      make('td', 'number', String(entry.version)),
      make('td', '', showDeadline(entry.expiresAtMs)),
      make('td', '', remove),
    );
  }
}
