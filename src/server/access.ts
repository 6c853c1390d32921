/** Who may call: bearer tokens, or everybody where none are set. */
import { UnauthenticatedError } from '../shared/errors.js';

export class Access {
  readonly #tokens: readonly string[] | undefined;

  /** Undefined opens the server to everybody who reaches it. */
  constructor(tokens: readonly string[] | undefined) {
    this.#tokens = tokens;
  }

  get isOpen(): boolean {
    return this.#tokens === undefined;
  }

  /** `authorization`: that header's value. @throws UnauthenticatedError */
  check(authorization: string | undefined): void {
    if (this.#tokens === undefined) return;
    if (authorization === undefined) {
      throw new UnauthenticatedError('this server asks for a token: send the header "authorization: Bearer TOKEN"');
    }
    const token = /^bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1];
    if (token === undefined) {
      throw new UnauthenticatedError('the authorization header is not "Bearer TOKEN": send it in this form');
    }
    let isKnown = false;
    // Every token is compared, and each in full: the time says nothing about how much of a guess was right.
    for (const known of this.#tokens) if (areEqual(known, token)) isKnown = true;
    if (!isKnown) throw new UnauthenticatedError('this server does not know the token: ask its operator for one');
  }
}

function areEqual(known: string, guess: string): boolean {
  let difference = known.length ^ guess.length;
  for (let index = 0; index < guess.length; index += 1) {
    difference |= guess.charCodeAt(index) ^ known.charCodeAt(index % known.length);
  }
  return difference === 0;
}
