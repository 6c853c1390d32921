/**
 * The epoch as the wire says it: the life of the state, from generation 1 on `~` and the generation of the session, and from era 1 of a version
 * on `.` and the era. A life that goes on in another generation may lack the end of what was told before: the server knows of what.
 */

export interface EpochParts {
  readonly life: string;
  readonly generation: number;
  /** Of the version that it stands beside. */
  readonly era: number;
}

export function epochText(life: string, generation: number): string {
  return generation === 0 ? life : `${life}~${generation}`;
}

/** Asked of each variable when a life is another, and there are few lives. */
export function parseEpoch(text: string): EpochParts {
  const known = PARSED.get(text);
  if (known !== undefined) return known;
  const parts = parse(text);
  if (text.length <= MAX_KEPT_CHARACTERS) {
    if (PARSED.size === MAX_KEPT) PARSED.clear();
    PARSED.set(text, parts);
  }
  return parts;
}

function parse(text: string): EpochParts {
  const [, life = text, generation = '0', era = '0'] = EPOCH.exec(text) ?? [];
  return { life, generation: Number(generation), era: Number(era) };
}

export function isOfLaterGeneration(text: string): boolean {
  return text.includes('~');
}

export function isSameLife(a: string, b: string): boolean {
  return a === b || parseEpoch(a).life === parseEpoch(b).life;
}

/** Versions count on from one to the other. */
export function isSameLineage(a: string, b: string): boolean {
  if (a === b) return true;
  const [one, other] = [parseEpoch(a), parseEpoch(b)];
  return one.life === other.life && one.era === other.era;
}

/** The same in the generation of another. */
export function inGenerationOf(text: string, other: string): string {
  const { life, era } = parseEpoch(text);
  const said = epochText(life, parseEpoch(other).generation);
  return era === 0 ? said : `${said}.${era}`;
}

const EPOCH = /^(.*?)(?:~(\d{1,15}))?(?:\.(\d{1,7}))?$/s;
const PARSED = new Map<string, EpochParts>();
/** Of any server; ours says some 30 characters. */
const MAX_KEPT_CHARACTERS = 100;
const MAX_KEPT = 16;
