/**
 * What one turn answers, in as few replies as say the same: a thousand watches that open in a turn are three.
 * Path: port writer -> [turn replies] -> MessagePort. Never slow: its port writer posts and empties it once a turn at least.
 */
import type { BridgeError } from '../shared/errors.js';
import { errorToWire } from '../shared/errors.js';
import type { Reply } from '../shared/port/replies.js';
import type { StreamStateName } from '../shared/port/stream-states.js';

type ReplyOf<K extends Reply['kind']> = Extract<Reply, { readonly kind: K }>;

export class TurnReplies {
  #replies: Reply[] = [];
  /** Of the last state that was told. */
  #lastCause: BridgeError | undefined;
  /**
   * What watches become while they open: live, registered, in step. The three stand in this order, with nothing else between, so that what joins one
   * of them overtakes no earlier step of its own watch. Anything else that is told begins them anew.
   */
  #live: ReplyOf<'state'> | undefined;
  #done: ReplyOf<'done'> | undefined;
  #synced: ReplyOf<'synced'> | undefined;

  get isEmpty(): boolean {
    return this.#replies.length === 0;
  }

  take(): Reply[] {
    const replies = this.#replies;
    this.#replies = [];
    this.#forgetSteps();
    return replies;
  }

  add(reply: Reply): void {
    if (reply.kind === 'synced') {
      for (const subscription of reply.subscriptions) this.#addSynced(subscription);
      return;
    }
    this.#forgetSteps();
    this.#replies.push(reply);
  }

  /** What was asked under this id is done, and has no result. */
  done(id: number): void {
    if (this.#done !== undefined) {
      this.#done.ids.push(id);
      return;
    }
    this.#done = { kind: 'done', ids: [id] };
    this.#replies.push(this.#done);
    this.#synced = undefined;
  }

  /** What comes to the same state by the same cause, one right after the other, is one reply. */
  state(subscription: number, state: StreamStateName, cause: BridgeError | undefined): void {
    const last = this.#live ?? this.#replies.at(-1);
    if (last?.kind === 'state' && last.state === state && this.#lastCause === cause) {
      last.subscriptions.push(subscription);
      return;
    }
    this.#lastCause = cause;
    const reply: ReplyOf<'state'> = {
      kind: 'state',
      subscriptions: [subscription],
      state,
      error: cause && errorToWire(cause),
    };
    this.add(reply);
    if (state === 'live') this.#live = reply;
  }

  /** Those of one command, one right after the other, are one reply. */
  setResult(id: number, place: number, version: number, error: BridgeError | undefined): void {
    let last = this.#replies.at(-1);
    if (last?.kind !== 'set-results' || last.id !== id) {
      last = { kind: 'set-results', id, places: [], versions: [], errors: [] };
      this.add(last);
    }
    last.places.push(place);
    last.versions.push(error === undefined ? version : 0);
    if (error !== undefined) last.errors.push(errorToWire(error));
  }

  pulse(subscription: number, atMs: number): void {
    const last = this.#replies.at(-1);
    if (last?.kind === 'pulse') last.subscriptions.push(subscription);
    else this.add({ kind: 'pulse', subscriptions: [subscription], atMs });
  }

  #addSynced(subscription: number): void {
    if (this.#synced !== undefined) {
      this.#synced.subscriptions.push(subscription);
      return;
    }
    this.#synced = { kind: 'synced', subscriptions: [subscription] };
    this.#replies.push(this.#synced);
  }

  #forgetSteps(): void {
    this.#live = undefined;
    this.#done = undefined;
    this.#synced = undefined;
  }
}
