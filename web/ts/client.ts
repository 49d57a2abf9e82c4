/** What the page has in common with the client for servers, whose package has the sources: no other file of the page looks into it. */

export * from '../../embed/typescript/src/shared.js';
