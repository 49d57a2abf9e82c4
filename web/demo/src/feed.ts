import { MantisError, type Change, type MantisDB } from '../../ts/index.js';
import { element, explain, make, say } from './dom.js';
import { show } from './show.js';

/** Lines that are kept on the page. */
const LINES_MAX = 200;

const list = element('changes');
const empty = element('no-changes');

export function clearFeed(): void {
  list.replaceChildren();
  empty.hidden = false;
}

/** Follows the changes until `signal` is aborted, and tells of each. */
export async function follow(
  database: MantisDB,
  signal: AbortSignal,
  changed: (change: Change) => void,
): Promise<void> {
  try {
    for await (const change of database.changes({ signal })) {
      list.prepend(line(change));
      while (list.childElementCount > LINES_MAX) list.lastElementChild?.remove();
      empty.hidden = true;
      changed(change);
    }
  } catch (error) {
    if (signal.aborted) return;
    const advice = error instanceof MantisError && error.kind === 'compacted' ? ' Reload the page.' : '';
    empty.hidden = false;
    say(empty, `The feed ended: ${explain(error)}${advice}`, true);
  }
}

function line(change: Change): HTMLElement {
  const value = change.value === null || change.value.length === 0 ? '' : ` = ${show(change.value, 60)}`;
  return make(
    'li',
    change.kind,
    make('span', 'kind', change.kind),
    make('span', 'what', `${change.bucket}/${show(change.key, 60)}${value}`),
    make('span', 'version', String(change.version)),
  );
}
