/**
 * Which feeds of the client a feed of the link stands for. Path: link session -> [linked feeds] -> watch feed.
 * Those that ask for the same are one: who asks before the server has answered hears it from the beginning; who asks later has one of its own until
 * what it was sent has come as far as the other, and then leaves it. Versions make what comes twice no news, so that nothing is held meanwhile.
 * Bounded by the feeds of the client. Closed: with its link.
 */
import type { Members } from '../../shared/one-or-many.js';
import { addListener, forEachListener, removeListener } from '../../shared/one-or-many.js';
import type { Announcement } from '../../shared/wire/link-writer.js';
import type { FeedRequest } from '../watch/resume-request.js';
import type { CarriedFeed } from './carrier.js';

/** One feed of the link. */
export interface LinkedFeed {
  readonly number: number;
  /** What it asks for, and from where on, until it is registered; then '', as of one that asks for much. */
  request: string;
  /** What it asks for, where that is one variable; else ''. */
  readonly interest: string;
  /** 0 before the server has registered it. */
  registeredAtMs: number;
  /** The server says when all has come that it has to say at first; else that is the first update. */
  readonly wantsMark: boolean;
  stage: 'opening' | 'current' | 'shared' | 'over';
  /** Its variable, where it is one. */
  only: Addressed | undefined;
  /** With a condition that the server may ask. */
  readonly hasCondition: boolean;
  /** Those of the client. */
  listeners: Members<CarriedFeed>;
}

/** What a handle stands for. */
export interface Addressed {
  readonly linked: LinkedFeed;
  readonly announcement: Announcement;
  version: number;
}

export class LinkedFeeds {
  readonly #byFeed = new Map<CarriedFeed, LinkedFeed>();
  readonly #byNumber = new Map<number, LinkedFeed>();
  /** Not registered, by request: who asks for the same is told the same. */
  readonly #joinable = new Map<string, LinkedFeed>();
  /** In step, by interest. */
  readonly #shared = new Map<string, LinkedFeed>();
  #nextNumber = 1;

  get size(): number {
    return this.#byFeed.size;
  }

  feeds(): IterableIterator<CarriedFeed> {
    return this.#byFeed.keys();
  }

  of(feed: CarriedFeed): LinkedFeed | undefined {
    return this.#byFeed.get(feed);
  }

  find(number: number): LinkedFeed | undefined {
    return this.#byNumber.get(number);
  }

  /** `isNew`: it has to be asked for. */
  join(feed: CarriedFeed, request: FeedRequest): { readonly linked: LinkedFeed; readonly isNew: boolean } {
    const asked = textOf(request);
    const known = this.#joinable.get(asked);
    const linked = known ?? this.#make(asked, request);
    addListener(linked, feed);
    this.#byFeed.set(feed, linked);
    return { linked, isNew: known === undefined };
  }

  /** Returns what nobody hears any more. */
  leave(feed: CarriedFeed): LinkedFeed | undefined {
    const linked = this.#byFeed.get(feed);
    if (linked === undefined) return undefined;
    this.#byFeed.delete(feed);
    removeListener(linked, feed);
    if (linked.listeners !== undefined) return undefined;
    this.#forget(linked);
    return linked;
  }

  handleRegistered(linked: LinkedFeed, nowMs: number): void {
    linked.registeredAtMs = nowMs;
    this.#joinable.delete(linked.request);
    linked.request = '';
  }

  /**
   * All has come that the server had to say at first, or one more version. Where another feed of the link carries the same variable and is no further, this
   * one is not needed: what follows comes by that one. Returns it then.
   */
  share(linked: LinkedFeed): LinkedFeed | undefined {
    if (linked.stage === 'opening') linked.stage = 'current';
    if (linked.stage !== 'current' || linked.interest === '') return undefined;
    const other = this.#shared.get(linked.interest);
    if (other === undefined) {
      this.#shared.set(linked.interest, linked);
      linked.stage = 'shared';
      return undefined;
    }
    if (!isAsFar(linked, other)) return undefined;
    forEachListener(linked, (feed) => {
      addListener(other, feed);
      this.#byFeed.set(feed, other);
    });
    linked.listeners = undefined;
    this.#forget(linked);
    return linked;
  }

  /** Returns those that it was for. */
  end(linked: LinkedFeed): CarriedFeed[] {
    this.#forget(linked);
    const feeds: CarriedFeed[] = [];
    forEachListener(linked, (feed) => {
      this.#byFeed.delete(feed);
      feeds.push(feed);
    });
    linked.listeners = undefined;
    return feeds;
  }

  #make(asked: string, request: FeedRequest): LinkedFeed {
    const { identifiers, patterns, wantsMark, condition } = request;
    const linked: LinkedFeed = {
      number: this.#nextNumber,
      request: asked,
      interest: identifiers.length === 1 && patterns.length === 0 ? interestOf(request) : '',
      registeredAtMs: 0,
      wantsMark,
      stage: 'opening',
      only: undefined,
      hasCondition: condition !== undefined,
      listeners: undefined,
    };
    this.#nextNumber += 1;
    this.#byNumber.set(linked.number, linked);
    if (asked !== '') this.#joinable.set(asked, linked);
    return linked;
  }

  #forget(linked: LinkedFeed): void {
    linked.stage = 'over';
    this.#byNumber.delete(linked.number);
    if (this.#joinable.get(linked.request) === linked) this.#joinable.delete(linked.request);
    if (this.#shared.get(linked.interest) === linked) this.#shared.delete(linked.interest);
  }
}

/** Whether nothing that the other one carries from now on is behind a gap for who has heard this one. */
function isAsFar({ only: mine, hasCondition }: LinkedFeed, { only: theirs }: LinkedFeed): boolean {
  if (mine === undefined || theirs === undefined || mine.announcement.id !== theirs.announcement.id) return false;
  // What a condition kept out and what was left out of an outbox is told apart by the update that follows, for who has the one before it.
  return hasCondition ? mine.version === theirs.version : mine.version >= theirs.version;
}

/** What a feed of one variable asks for: equal texts, equal interests. */
function interestOf({
  identifiers,
  keepsBatches,
  waitForMissing,
  unseenAreInitial,
  condition = '',
}: FeedRequest): string {
  const asks = `${keepsBatches ? 'b' : ''}${waitForMissing ? 'w' : ''}${unseenAreInitial ? 'u' : ''}${condition}`;
  // Most ask for nothing else: their identifier is enough. No identifier begins so.
  return asks === '' ? identifiers[0]! : `\u0000${asks} ${identifiers[0]!}`;
}

/** Equal texts: the same from the same place on. '' of one that asks for much, which costs more to compare than to ask. */
function textOf(request: FeedRequest): string {
  const { identifiers, patterns, condition, resume, resumeEpoch, fromRevision } = request;
  if (identifiers.length > MOST_COMPARED) return '';
  const isFromNow = resume === undefined && fromRevision === undefined && !request.wantsMark;
  // Most ask for this: what they are interested in is all that they ask.
  if (isFromNow && identifiers.length === 1 && patterns.length === 0) return interestOf(request);
  const { wantsMark, keepsBatches, waitForMissing, unseenAreInitial } = request;
  const asks = [wantsMark, keepsBatches, waitForMissing, unseenAreInitial];
  const from = [resume, resumeEpoch, fromRevision];
  // No interest begins so.
  return `\u0000\u0000${JSON.stringify([identifiers, patterns, condition, ...from, ...asks])}`;
}

const MOST_COMPARED = 8;
