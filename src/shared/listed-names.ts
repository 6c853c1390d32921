/** Names in a sentence: the first ten, and how many there are; whoever needs all of them has a list. Of what is too long to be one, its beginning. */
export function listedNames(names: readonly string[]): string {
  const shown = names
    .slice(0, SHOWN_NAMES)
    .map((name) => (name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME)}…`));
  return names.length <= SHOWN_NAMES ? shown.join(', ') : `${shown.join(', ')}, … (${names.length} in all)`;
}

const SHOWN_NAMES = 10;
/** In units of UTF-16: 256 characters, in quotation marks. */
const LONGEST_NAME = 514;
