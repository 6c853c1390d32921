/** Updates as the messages of a WatchVariables stream, one VariableUpdate each. Path: outbox -> [stream encoder] -> stream call. */
import type { Change } from '../../shared/state/variable.js';
import type { VersionedValue } from '../../shared/state/versioned-value.js';
import { epochText } from '../../shared/wire/epoch-text.js';
import { timestampToWire } from '../../shared/wire/messages.js';
import { METHODS } from '../../shared/wire/services.js';
import type {
  GoneVariable,
  KeptOut,
  Moment,
  SentVariable,
  SharedChange,
  UpdateEncoder,
} from '../../shared/wire/update-encoder.js';
import {
  concatBytes,
  encodeChange,
  encodeIdentifiersTail,
  encodeMark,
  encodeMissedTail,
  encodeSnapshot,
  MORE_TAIL,
} from '../../shared/wire/update-message.js';

export class StreamEncoder implements UpdateEncoder {
  readonly #life: string;
  readonly #session: { readonly generation: number };
  readonly #includesOldValues: boolean;
  #message: Uint8Array | undefined;

  constructor(life: string, session: { readonly generation: number }, includesOldValues: boolean) {
    this.#life = life;
    this.#session = session;
    this.#includesOldValues = includesOldValues;
  }

  get #epoch(): string {
    return epochText(this.#life, this.#session.generation);
  }

  /** The condition of a watch on a stream is asked by its client. */
  change(sent: SentVariable, shared: SharedChange, more: boolean): void {
    const { change } = shared;
    const missed = change.current.version - sent.version - 1;
    this.#say(
      missed === 0 ? this.#sharedBytes(shared) : this.#ownBytes(sent, change, missed),
      sent.unsaidIdentifiers,
      more,
    );
  }

  snapshot(
    sent: SentVariable,
    current: VersionedValue,
    kind: 'initial_value' | 'resync',
    missed: number,
    more: boolean,
  ): void {
    const bytes = encodeSnapshot({ ...sent.variable, current }, kind, this.#epoch, missed);
    this.#say(bytes, sent.unsaidIdentifiers, more);
  }

  gone(
    { id, change, identifiers }: GoneVariable,
    { missed }: KeptOut,
    { revision, timestamp }: Moment,
    more: boolean,
  ): void {
    const epoch = this.#epoch;
    const bytes =
      change === undefined
        ? METHODS.WatchVariables.encodeResponse({
            variableId: id,
            updateType: 'deleted',
            reason: 'deleted',
            timestamp: timestampToWire(timestamp),
            revision,
            epoch,
          })
        : encodeChange({ ...change, previous: undefined }, epoch, false);
    this.#say(missed === 0 ? bytes : concatBytes(bytes, encodeMissedTail(missed)), identifiers, more);
  }

  mark(kind: 'heartbeat' | 'synced', { revision, timestamp }: Moment): void {
    this.#message = encodeMark(kind, timestamp, revision, this.#epoch);
  }

  take(): Uint8Array | undefined {
    const message = this.#message;
    this.#message = undefined;
    return message;
  }

  #say(bytes: Uint8Array, identifiers: readonly string[] | undefined, more: boolean): void {
    const named = identifiers === undefined ? bytes : concatBytes(bytes, encodeIdentifiersTail(identifiers));
    this.#message = more ? concatBytes(named, MORE_TAIL) : named;
  }

  #sharedBytes(shared: SharedChange): Uint8Array {
    if (this.#includesOldValues) {
      shared.bytesWithOldValue ??= encodeChange(shared.change, this.#epoch, true);
      return shared.bytesWithOldValue;
    }
    shared.bytes ??= encodeChange(shared.change, this.#epoch, false);
    return shared.bytes;
  }

  /** Rare: this watch did not see what was there right before. */
  #ownBytes(sent: SentVariable, change: Change, missed: number): Uint8Array {
    const { variable, version } = sent;
    const previous = variable.history.find(version);
    const isKnown = previous !== undefined || version < variable.firstVersion;
    // The value is gone; the version still says whether a new era begins.
    const bytes = isKnown
      ? encodeChange({ ...change, previous }, this.#epoch, this.#includesOldValues)
      : encodeChange({ ...change, previous: { ...change.current, version } }, this.#epoch, false);
    return concatBytes(bytes, encodeMissedTail(missed));
  }
}
