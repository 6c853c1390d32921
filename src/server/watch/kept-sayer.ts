/**
 * Says on a link what conditions have kept out, now and then and to a client that asks. Path: kept marks -> [kept sayer] -> link writer.
 * Only while everything that was let through is written: else it would say of what waits that it was kept out. Slow: it waits for that.
 * Owner: the link call. Closed: it says nothing more.
 */
import { deadlineOf } from '../../shared/deadlines.js';
import type { LinkWriter } from '../../shared/wire/link-writer.js';
import type { ServerContext } from '../server-context.js';
import type { Work } from '../work-turns.js';
import type { KeptMarksOwner, Mark } from './kept-marks.js';
import { KeptMarks } from './kept-marks.js';

/** What it needs of its link. */
export interface SayingLink {
  readonly writer: LinkWriter;
  /** Nothing waits, and no watch is opening. */
  isAllWritten(): boolean;
  handleRows(): void;
  fail(error: unknown): void;
}

export class KeptSayer implements KeptMarksOwner {
  readonly marks: KeptMarks;
  readonly #server: ServerContext;
  readonly #link: SayingLink;
  readonly #deadline = deadlineOf(() => this.#handleDue());
  #isDue = false;
  #isSaying = false;
  /** Of the client, until it is answered; 0 = none. */
  #question = 0;

  constructor(server: ServerContext, link: SayingLink) {
    this.#server = server;
    this.#link = link;
    this.marks = new KeptMarks(server.observers, this);
  }

  handleKeptWaiting(): void {
    if (this.#deadline.wheelSlot >= 0) return;
    this.#server.deadlines.schedule(this.#deadline, this.#server.clock.nowMs() + SPACING_MS);
  }

  /** 0 = none. */
  handleQuestion(question: number): void {
    if (question === 0) return;
    this.#question = question;
    this.handleRoom();
  }

  /** What waited may be written. */
  handleRoom(): void {
    if (this.#isSaying || (!this.#isDue && this.#question === 0) || !this.#link.isAllWritten()) return;
    this.#isSaying = true;
    this.#say(this.marks.takeWaiting(), this.#server.turns.begin())
      .catch((error: unknown) => this.#link.fail(error))
      .finally(() => {
        this.#isSaying = false;
        this.handleRoom();
      });
  }

  close(): void {
    this.#server.deadlines.cancel(this.#deadline);
    this.#isDue = false;
    this.#question = 0;
  }

  #handleDue(): void {
    this.#isDue = true;
    this.handleRoom();
  }

  async #say(marks: readonly Mark[], work: Work): Promise<void> {
    for (const [place, mark] of marks.entries()) {
      if (!this.#link.isAllWritten()) {
        this.marks.putBack(marks.slice(place));
        return;
      }
      const kept = this.marks.say(mark);
      if (kept !== undefined) {
        this.#link.writer.kept(kept.number, kept.id, kept.version);
        this.#link.handleRows();
      }
      const rest = work.spend(1);
      if (rest !== undefined) await rest;
    }
    this.#isDue = false;
    if (this.#question === 0) return;
    this.#link.writer.keptAnswer(this.#question);
    this.#question = 0;
    this.#link.handleRows();
  }
}

/** Between two times, ms: a link that breaks is replayed what came since, out of a history of 60 s. */
const SPACING_MS = 5_000;
