// Not run, only compiled: a program of Node.

import { connect, type MantisDB } from 'mantisdb-client';
import { nodeFetch } from 'mantisdb-client/node';

export const db: MantisDB = connect('http://127.0.0.1:8080', { fetch: nodeFetch({ connectionsMax: 10 }) });
