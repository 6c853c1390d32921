/** What every set goes through, by whichever call it came: its value is read, a long match is looked for, it is committed and counted. Path: set handler, link sets -> [set steps] -> session. */

import type { Setter } from '../../shared/state/operation.js';
import type { Variable } from '../../shared/state/variable.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { Kept, SetPlace } from '../engine/engine.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import { UpdateSize } from './update-size.js';
import type { WireAny } from './value-reader.js';
import { readValue } from './value-reader.js';

/** One that was found and read. */
export interface ReadSet {
  readonly session: Session;
  readonly identifier: string;
  readonly variable: Variable;
  readonly value: VariableValue;
  /** Undefined: whatever version it is at. */
  readonly expectedVersion: number | undefined;
  readonly setter: Setter;
}

export class SetSteps {
  readonly #server: ServerContext;
  readonly #updateSize: UpdateSize;

  constructor(server: ServerContext) {
    this.#server = server;
    this.#updateSize = new UpdateSize(server.options.maxMessageBytes);
  }

  /** `valueBytes`: as it travels. @throws MessageTooLargeError for one that could be set but not be watched */
  checkSize(variable: Variable, valueBytes: number, { custom }: Setter): void {
    this.#updateSize.checkValue(variable, valueBytes, custom);
  }

  /** By the declared type; a large one in turns. @throws InvalidValueError, MessageTooLargeError, now or by the promise */
  read(
    variable: Variable,
    any: WireAny,
    binary: Uint8Array | null | undefined,
    setter: Setter,
  ): VariableValue | Promise<VariableValue> {
    this.checkSize(variable, (any?.value?.length ?? 0) + (binary?.length ?? 0), setter);
    return readValue(this.#server.turns, variable.type, any, binary, `variable "${variable.name}"`);
  }

  /** Its version then. `isMatched`: as its long match came out, where it has one; `once`: which set of which link it is. @throws BridgeError */
  commit(set: ReadSet, isMatched?: boolean, once?: SetPlace): Kept<number> {
    const { session, identifier, variable, value, expectedVersion, setter } = set;
    const accepted = session.acceptDecoded(identifier, variable, value, expectedVersion, isMatched);
    const result = session.commit(accepted, setter, this.#server.clock.nowMs(), once);
    this.#server.counters.sets += 1;
    return result;
  }
}
