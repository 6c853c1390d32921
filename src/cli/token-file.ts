/**
 * The file of `serve --tokens`: a JSON list as `startBridgeServer` takes it, or a line for each token: `TOKEN [SESSION-PATTERN…]`, where a token
 * without patterns opens every session. Empty lines, and those that begin with #, say nothing. No sentence here says what a line holds.
 */
import type { TokenOption } from '../server/index.js';
import { UsageError } from './usage-error.js';

/** @throws UsageError */
export function parseTokenFile(text: string, file: string): TokenOption[] {
  const tokens = text.trimStart().startsWith('[') ? parseList(text, file) : parseLines(text, file);
  if (tokens.length === 0) throw new UsageError(`${file} names no token: give one a line, TOKEN [SESSION-PATTERN…]`);
  return tokens;
}

function parseLines(text: string, file: string): TokenOption[] {
  const tokens: TokenOption[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    const [token, ...sessions] = line.trim().split(/\s+/);
    if (token === undefined || token === '' || token.startsWith('#')) return;
    checkToken(token, `${file}, line ${index + 1}`);
    tokens.push(sessions.length === 0 ? token : { token, sessions });
  });
  return tokens;
}

function parseList(text: string, file: string): TokenOption[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    // The cause quotes the text, which holds secrets.
    throw new UsageError(`${file} begins like a JSON list and is none: mend it, or give one token a line`);
  }
  if (!Array.isArray(list)) throw new UsageError(`${file} holds JSON, but no list: give a list of tokens`);
  return list.map((entry: unknown, index) => {
    const place = `${file}, entry ${index + 1}`;
    if (typeof entry === 'string') return checkToken(entry, place);
    const { token, sessions } = (entry ?? {}) as { token?: unknown; sessions?: unknown };
    const isList = Array.isArray(sessions) && sessions.length > 0;
    if (typeof token !== 'string' || !isList || sessions.some((session) => typeof session !== 'string')) {
      throw new UsageError(`${place} is neither a token nor {"token": …, "sessions": [PATTERN, …]}: give one of these`);
    }
    return { token: checkToken(token, place), sessions: sessions as string[] };
  });
}

function checkToken(token: string, place: string): string {
  if (/^[\x21-\x7e]{1,1024}$/.test(token)) return token;
  throw new UsageError(`${place}: a token is 1 to 1,024 visible ASCII characters`);
}
