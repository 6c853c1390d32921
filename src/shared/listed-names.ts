/** Names in a sentence: the first ten, and how many there are; whoever needs all of them has a list. */
export function listedNames(names: readonly string[]): string {
  if (names.length <= SHOWN_NAMES) return names.join(', ');
  return `${names.slice(0, SHOWN_NAMES).join(', ')}, … (${names.length} in all)`;
}

const SHOWN_NAMES = 10;
