import { MantisError, type MantisDB, type Plugin } from '../../ts/index.js';
import leaderboard from '../../dist/plugins/leaderboard/plugin.js';
import { attempt, element, explain, make, say } from './dom.js';

const SHOWN = 10;

const answer = element('board-answer');
const playerField = element<HTMLInputElement>('player');
const scoreField = element<HTMLInputElement>('score');
const list = element('standings');
const empty = element('no-standings');

interface Standing {
  player: string;
  /** Decimal text beyond 2^53. */
  score: number | string;
  rank: number;
}

/** The card that calls the plugin. The same calls reach it in the page and on a server. */
export class Leaderboard {
  readonly #plugin: Plugin;

  constructor(database: MantisDB, signal: AbortSignal) {
    this.#plugin = database.plugin(leaderboard, { grants: { leaderboard: 'write' } });
    element('board-place').textContent = database.url === null ? 'plugin in this page' : 'plugin on the server';
    element('submit').addEventListener('submit', (event) => (event.preventDefault(), this.#submit()), { signal });
  }

  async show(): Promise<void> {
    try {
      const standings = (await this.#plugin.call('top', [SHOWN])) as unknown as Standing[];
      list.replaceChildren(...standings.map(line));
      empty.hidden = standings.length > 0;
      say(empty, 'Nobody has played yet.');
    } catch (error) {
      list.replaceChildren();
      empty.hidden = false;
      const missing = error instanceof MantisError && error.code === 'plugin-not-found';
      say(
        empty,
        missing ? 'The server has no plugin named leaderboard. Install leaderboard.wasm there.' : explain(error),
        true,
      );
    }
  }

  #submit(): Promise<void> {
    return attempt(answer, async () => {
      const player = playerField.value;
      // As text: a score has 64 bits.
      const rank = await this.#plugin.call('submit', [player, scoreField.value]);
      return `${player} is at rank ${String(rank)}.`;
    });
  }
}

function line({ player, score, rank }: Standing): HTMLElement {
  return make(
    'li',
    '',
    make('span', 'rank', String(rank)),
    make('span', '', player),
    make('span', 'score', String(score)),
  );
}
