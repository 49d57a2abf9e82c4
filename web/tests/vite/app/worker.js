import counter from 'mantisdb-web/plugins/counter';
import { use } from './use.js';

use(counter).then(postMessage, (error) => postMessage(`${error.code}: ${error.message}`));
