import { use } from './use.js';

use(new URLSearchParams(location.search).get('server')).then(
  (answer) => (window.answer = answer),
  (error) => (window.answer = { error: String(error) }),
);
