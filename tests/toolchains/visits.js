import { Bucket } from 'mantis:db/kv@0.1.0';

export const count = (page) => Bucket.open('visits').increment(new TextEncoder().encode(page), 1n).number;

export const visit = (page) => {
  const number = count(page);
  console.log('visit', Number(number), 'of', page);
  console.error('to standard error');
  return number;
};

const deep = () => {
  throw new Error('on purpose');
};

export const fail = () => deep();

export const lookAround = () => `${Date.now()} ${Math.random()} ${performance.now()}`;
