/** MantisDB in a page (`open`) and on a server (`connect`), behind one interface. */

export * from '../../embed/typescript/src/index.js';
export { open, type OpenOptions, type PageMantisDB } from './page/open.js';
