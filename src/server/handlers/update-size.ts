/** Keeps out what could be set but not be watched: an update says the value, the one before, and what was registered, in one message. */
import { MessageTooLargeError } from '../../shared/errors.js';
import type { Variable } from '../../shared/state/variable.js';
import { constraintsToJson } from '../../shared/values/constraint-text.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { MAX_OLD_VALUE_BYTES } from '../../shared/wire/update-message.js';

export class UpdateSize {
  readonly #maxBytes: number;
  readonly #maxAroundBytes: number;

  /** Clients take messages as large as the server does: nobody says otherwise. */
  constructor(maxMessageBytes: number) {
    this.#maxBytes = maxMessageBytes - Math.min(MAX_OLD_VALUE_BYTES, maxMessageBytes / 4) - ENVELOPE_BYTES;
    this.#maxAroundBytes = this.#maxBytes / 2;
  }

  /** @throws MessageTooLargeError, also when what is registered leaves too little room for later values */
  checkRegistration(
    name: string,
    constraintsJson: string,
    description: string,
    metadata: Metadata,
    valueBytes: number,
  ): void {
    const bytes = constraintsJson.length + description.length + metadataBytes(metadata);
    if (bytes > this.#maxAroundBytes) {
      throw new MessageTooLargeError(
        `variable "${name}": its constraints, description and metadata of ${bytes} bytes leave no room for values in an update: shorten them, or raise maxMessageBytes`,
      );
    }
    if (bytes + valueBytes > this.#maxBytes) throw this.#tooLarge(name, valueBytes);
  }

  /** `valueBytes`: as it travels. @throws MessageTooLargeError */
  checkValue(variable: Variable, valueBytes: number, custom: Metadata): void {
    const bytes = valueBytes + metadataBytes(custom);
    // What was registered fits the other half.
    if (bytes <= this.#maxBytes - this.#maxAroundBytes) return;
    const { metadata, description, constraints } = variable;
    const whole = bytes + metadataBytes(metadata) + description.length + constraintsToJson(constraints).length;
    if (whole > this.#maxBytes) throw this.#tooLarge(variable.name, valueBytes);
  }

  #tooLarge(name: string, valueBytes: number): MessageTooLargeError {
    return new MessageTooLargeError(
      `variable "${name}": a value of ${valueBytes} bytes makes an update of more than ${Math.floor(this.#maxBytes)}: split it, or raise maxMessageBytes`,
    );
  }
}

function metadataBytes(metadata: Metadata): number {
  let bytes = 0;
  for (const key in metadata) bytes += key.length + (metadata[key]?.length ?? 0) + 8;
  return bytes;
}

/** Ids, name, times, versions, epoch. */
const ENVELOPE_BYTES = 512;
