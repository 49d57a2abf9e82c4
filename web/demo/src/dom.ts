/** The element of this id. */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** A new element. Text is set as text: what the store holds is never taken for HTML. */
export function make(tag: string, className: string, ...children: (Node | string)[]): HTMLElement {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.append(...children);
  return made;
}

/** Shows what an action came to, in its place. */
export function say(place: HTMLElement, text: string, bad = false): void {
  place.textContent = text;
  place.classList.toggle('bad', bad);
}

/** Runs what a button asks for, and shows what went wrong. */
export async function attempt(place: HTMLElement, work: () => Promise<string>): Promise<void> {
  try {
    say(place, await work());
  } catch (error) {
    say(place, explain(error), true);
  }
}

export function explain(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
