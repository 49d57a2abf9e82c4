/** Places for instances of plugins: each has a memory of its own, and a page may have some hundred of them at a time. */

/** Instances that are made or run at the same time in a page. A call that runs waits for nothing, so more would not be quicker. */
const INSTANCES_MAX = 4;

let free = INSTANCES_MAX;
const waiting: (() => void)[] = [];

/** Runs `work` as soon as there is a place, in the order of the calls. */
export async function inPlace<T>(work: () => Promise<T>): Promise<T> {
  if (free > 0) free -= 1;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await work();
  } finally {
    // The place goes to the next one, or back.
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  }
}
