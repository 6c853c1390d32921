/** Who may call, and which sessions: bearer tokens, or everybody where none are set. */
import { PermissionDeniedError, UnauthenticatedError } from '../shared/errors.js';
import { compileWildcard } from '../shared/values/identifier.js';

/** A token that opens every session, or those whose ids match one of the patterns (`*`, `?`). */
export type TokenOption = string | { readonly token: string; readonly sessions: readonly string[] };

/** What one token opens. */
export class Grant {
  readonly #sessions: readonly ((sessionId: string) => boolean)[] | undefined;

  /** Undefined: every session. */
  constructor(sessions: readonly string[] | undefined) {
    this.#sessions = sessions?.map((pattern) => compileWildcard(pattern));
  }

  /** Asked before anything of a session is said, whether it is there too. A call that names none gets its own answer. @throws PermissionDeniedError */
  check(sessionId: string): void {
    if (this.#sessions === undefined || sessionId === '' || this.#sessions.some((opens) => opens(sessionId))) return;
    throw new PermissionDeniedError('this token does not open that session: use its own, or ask its operator');
  }
}

const EVERYTHING = new Grant(undefined);

export class Access {
  readonly #tokens: readonly { readonly token: string; readonly grant: Grant }[] | undefined;

  /** Undefined opens the server to everybody who reaches it. */
  constructor(tokens: readonly TokenOption[] | undefined) {
    this.#tokens = tokens?.map((option) =>
      typeof option === 'string'
        ? { token: option, grant: EVERYTHING }
        : { token: option.token, grant: new Grant(option.sessions) },
    );
  }

  get isOpen(): boolean {
    return this.#tokens === undefined;
  }

  /** `authorization`: that header's value. @throws UnauthenticatedError */
  check(authorization: string | undefined): Grant {
    if (this.#tokens === undefined) return EVERYTHING;
    if (authorization === undefined) {
      throw new UnauthenticatedError('this server asks for a token: send the header "authorization: Bearer TOKEN"');
    }
    const token = /^bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1];
    if (token === undefined) {
      throw new UnauthenticatedError('the authorization header is not "Bearer TOKEN": send it in this form');
    }
    let grant: Grant | undefined;
    // Every token is compared, and each in full: the time says nothing about how much of a guess was right.
    for (const known of this.#tokens) if (areEqual(known.token, token)) grant = known.grant;
    if (grant === undefined) {
      throw new UnauthenticatedError('this server does not know the token: ask its operator for one');
    }
    return grant;
  }
}

function areEqual(known: string, guess: string): boolean {
  let difference = known.length ^ guess.length;
  for (let index = 0; index < guess.length; index += 1) {
    difference |= guess.charCodeAt(index) ^ known.charCodeAt(index % known.length);
  }
  return difference === 0;
}
