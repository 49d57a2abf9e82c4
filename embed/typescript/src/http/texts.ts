/** The texts of the values in a text of JSON, in which numbers keep the digits that `JSON.parse` would take. */

/** The text of each item of a list. */
export function itemTexts(json: string): string[] {
  const items: string[] = [];
  let depth = 0;
  let begin = 0;
  let isText = false;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (isText) {
      if (character === '\\') at += 1;
      else if (character === '"') isText = false;
    } else if (character === '"') {
      isText = true;
    } else if (character === '{' || character === '[') {
      depth += 1;
      if (depth === 1) begin = at + 1;
    } else if (depth === 1 && (character === ',' || character === '}' || character === ']')) {
      const item = json.slice(begin, at).trim();
      if (item !== '') items.push(item);
      begin = at + 1;
      if (character !== ',') break;
    } else if (character === '}' || character === ']') {
      depth -= 1;
    }
  }
  return items;
}

/** The text of each member of an object, by its name. */
export function memberTexts(json: string): { [name: string]: string | undefined } {
  const members: { [name: string]: string } = Object.create(null) as object as { [name: string]: string };
  for (const item of itemTexts(json)) {
    const [before, name] = /^("(?:[^"\\]|\\.)*")\s*:\s*/.exec(item) ?? [];
    if (before !== undefined && name !== undefined) members[JSON.parse(name) as string] = item.slice(before.length);
  }
  return members;
}
