/**
 * What became of the sets of one link: told to its client, and kept for the link that it comes back with. Path: link sets -> [link outcomes] -> set window,
 * and the link's next message. Slow: the link says when there is room. Full: the names and outcomes of all links of a connection are bounded by
 * maxConnectionBytes. Closed: the window waits for its client.
 */
import {
  AbortedError,
  BridgeError,
  InvalidArgumentError,
  QuotaExceededError,
  SessionNotFoundError,
} from '../../shared/errors.js';
import type { LinkHello } from '../../shared/wire/link-request.js';
import type { LinkWriter, SetsSoFar, Welcome } from '../../shared/wire/link-writer.js';
import type { SetPlace } from '../engine/engine.js';
import type { PlacedOutcome } from '../engine/records.js';
import { wellFormed } from '../handlers/call-failure.js';
import type { Session } from '../session.js';
import { within } from '../within.js';
import type { CarrierBudget } from './carrier-budget.js';
import type { LinkSets, OutcomeSink } from './link-sets.js';
import type { SetWindow } from './set-window.js';
import type { WindowOwner } from './set-windows.js';

/** What it needs of its link. */
export interface OutcomeLink {
  readonly writer: LinkWriter;
  handleRows(): void;
  /** Somebody waits for what was written. */
  handleAwaitedRows(): void;
  room(): Promise<void> | undefined;
  /** A set was refused because its session is no more. */
  handleSessionMissed(): void;
  failureOf(error: unknown): BridgeError;
  fail(error: unknown): void;
}

export class LinkOutcomes implements OutcomeSink, WindowOwner {
  readonly #link: OutcomeLink;
  readonly #budget: CarrierBudget;
  readonly #nowMs: () => number;
  /** Undefined for a client that sends no set again. */
  #window: SetWindow | undefined;
  #leaveWindow: (() => void) | undefined;
  /** By which a window outlives the server; '' where none does. */
  #keptLink = '';
  readonly #setsDone = (): number => this.#window?.done ?? 0;
  /** Refused without asking the engine: it is told with the next set. */
  #refused: PlacedOutcome[] = [];
  #heldBytes = 0;
  #isClosed = false;

  constructor(link: OutcomeLink, budget: CarrierBudget, nowMs: () => number) {
    this.#link = link;
    this.#budget = budget;
    this.#nowMs = nowMs;
  }

  /** What became of the sets of its client's link before this one. `isAllKept`: whether all that its client was told is. */
  async takeWindow(
    { linkId, setsAnswered, setsDone }: LinkHello,
    session: Session,
    isAllKept: () => boolean,
  ): Promise<SetsSoFar & Pick<Welcome, 'lost'>> {
    if (linkId.length === 0) return NO_SETS;
    if (linkId.length !== LINK_ID_BYTES) {
      throw new InvalidArgumentError(`link_id has ${linkId.length} bytes: give ${LINK_ID_BYTES}, or none`);
    }
    const id = Buffer.from(linkId).toString('base64');
    const answered = Number.isSafeInteger(setsAnswered) ? Math.max(0, setsAnswered) : 0;
    await session.openWindow(id, answered, this.#nowMs());
    const beginning = session.beginWindow(id, answered, this.#nowMs());
    // Watches do not wait for a disk that is slow: the first set of a link that is not kept may be unknown then.
    if (beginning !== undefined) await within(MAX_BEGIN_MS, beginning);
    // The link has ended meanwhile: nobody would leave the window.
    if (this.#isClosed) return NO_SETS;
    const { window, continues } = session.setWindows.take(id, this);
    this.#window = window;
    this.#leaveWindow = () => session.setWindows.leave(id, this, this.#nowMs());
    // The link that had it may be in the middle of a set.
    await window.making;
    // What was acknowledged in an earlier generation has its place in the window, unless it is lost.
    const lost = !window.hasKept(setsDone) && !isAllKept();
    if (session.keepsWindows) {
      this.#keptLink = id;
      window.skipTo(answered);
      window.handleKnownDone(setsDone);
    }
    window.handleAnswered(answered);
    return { setsContinue: continues, setsMade: window.last, setsLost: window.lostTo, lost };
  }

  /** What its client sent on its link before and was not answered. */
  tellAgain({ setsAnswered }: LinkHello, { setsMade, setsLost }: SetsSoFar): void {
    const { writer } = this.#link;
    for (let sequence = Math.max(setsAnswered, setsLost) + 1; sequence <= setsMade; sequence += 1) {
      const { version, code, message } = this.#window!.outcomeOf(sequence);
      if (version > 0) writer.setDone(version);
      else writer.setRefused(code, message);
    }
    this.#link.handleRows();
  }

  /** More sets have come. @throws InvalidArgumentError where they are not the next */
  begin({ sequence, answered }: { readonly sequence: number; readonly answered: number }, untold: number): void {
    const window = this.#window;
    if (window === undefined) return;
    if (!window.begin(sequence, untold, answered)) {
      throw new InvalidArgumentError(
        `the link's sets begin with ${sequence} where ${window.last + untold + 1} is next: send them in their order, each once`,
      );
    }
    window.handleAnswered(answered);
  }

  /** Whoever takes the window over waits for it. */
  handleMaking(making: Promise<void>, sets: LinkSets): void {
    if (this.#window !== undefined) this.#window.making = making.then(() => sets.whenTold()).catch(ignore);
  }

  /** Beside the outcomes that its client may ask for. @throws QuotaExceededError */
  holdNames(bytes: number): void {
    this.#hold(bytes + (this.#window?.heldBytes ?? 0));
  }

  #hold(bytes: number): void {
    // Sets that were under way at its end come to theirs after it.
    if (this.#isClosed) return;
    const budget = this.#budget;
    budget.held += bytes - this.#heldBytes;
    this.#heldBytes = bytes;
    if (bytes > 0 && budget.held > budget.maxBytes) {
      throw new QuotaExceededError(
        `the links of this connection hold their ${budget.maxBytes} bytes of names, outcomes and updates: set fewer variables by one link, say what is answered, or raise maxConnectionBytes`,
      );
    }
  }

  close(): void {
    this.#hold(0);
    this.#isClosed = true;
    this.#leaveWindow?.();
  }

  handleTakenOver(): void {
    this.#link.fail(new AbortedError('another link of this client has begun: this one is not used any more'));
  }

  // --- from its sets

  room(): Promise<void> | undefined {
    return this.#link.room();
  }

  handleSetDone(version: number): void {
    this.#window?.handleDone(version);
    this.#link.writer.setDone(version);
    this.#link.handleAwaitedRows();
  }

  handleSetRefused(error: unknown): void {
    const { code, message } = error instanceof BridgeError ? error : this.#link.failureOf(error);
    const sentence = wellFormed(message);
    this.#window?.handleRefused(code, sentence);
    this.#link.writer.setRefused(code, sentence);
    this.#link.handleAwaitedRows();
    if (error instanceof SessionNotFoundError) this.#link.handleSessionMissed();
  }

  placeOfNext(untold: number): SetPlace | undefined {
    const window = this.#window;
    if (this.#keptLink === '' || window === undefined) return undefined;
    const before = this.#refused;
    if (before.length > 0) this.#refused = [];
    return {
      link: this.#keptLink,
      sequence: window.last + untold + 1,
      answered: window.answered,
      before,
      done: this.#setsDone,
    };
  }

  noteRefused(error: unknown, untold: number): void {
    const window = this.#window;
    if (this.#keptLink === '' || window === undefined || !(error instanceof BridgeError)) return;
    const { code, message } = error;
    this.#refused.push({ sequence: window.last + untold + 1, version: 0, code, message: wellFormed(message) });
    if (this.#refused.length > 2 * MOST_REFUSED) this.#refused = this.#refused.slice(-MOST_REFUSED);
  }
}

function ignore(): void {
  // Said by whoever waits for the sets themselves.
}

/** As many sentences as a window keeps of them, about: those before are unknown to whoever asks elsewhere. */
const MOST_REFUSED = 1_000;
const NO_SETS = { setsContinue: false, setsMade: 0, setsLost: 0, lost: false };
const LINK_ID_BYTES = 16;
/** Many times what a disk takes. */
const MAX_BEGIN_MS = 1_000;
