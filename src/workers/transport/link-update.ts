/** A row of a link as the update that its feed takes. Path: link session -> [link update] -> watch feed. Its value is read when somebody needs it. */
import type { LinkReader, ReadValue } from '../../shared/wire/link-reader.js';
import { BINARY_TYPE_URL, FORM, ROW } from '../../shared/wire/link-row.js';
import type { Announcement } from '../../shared/wire/link-writer.js';
import { UpdateMessage } from '../../shared/wire/update-message.js';
import type { Addressed } from './linked-feeds.js';

/** `update` is a fresh one, or was reset. */
export function fillUpdate(update: UpdateMessage, reader: LinkReader, { announcement, version }: Addressed): void {
  update.updateType = UPDATE_TYPES[reader.row]!;
  update.variableId = announcement.id;
  update.name = announcement.name;
  update.type = announcement.type;
  update.version = version;
  update.timestamp = reader.timestamp;
  update.revision = reader.revision;
  update.missed = reader.missed;
  update.more = reader.isMore;
  update.source = reader.source;
  update.custom = reader.custom;
  if (reader.before !== undefined) update.before = beforeOf(reader.before, announcement);
  // Said with its first update.
  if (reader.announcement?.identifiers !== undefined) update.identifiers = reader.announcement.identifiers;
  if (reader.row === ROW.DELETED) update.reason = reader.reason;
  else setValue(update, reader);
}

function beforeOf(value: ReadValue, { name, id, type }: Announcement): UpdateMessage {
  const before = new UpdateMessage();
  before.name = name;
  before.variableId = id;
  before.type = type;
  setValue(before, value);
  return before;
}

function setValue(update: UpdateMessage, reader: ReadValue): void {
  switch (reader.form) {
    case FORM.DOUBLE:
    case FORM.INTEGER:
      update.decoded = reader.number;
      break;
    case FORM.TRUE:
      update.decoded = true;
      break;
    case FORM.FALSE:
      update.decoded = false;
      break;
    case FORM.TEXT:
      update.isText = true;
      update.value = reader.payload;
      break;
    case FORM.PAYLOAD:
      update.value = reader.payload;
      break;
    case FORM.HEADER_AND_BYTES:
      update.typeUrl = BINARY_TYPE_URL;
      update.value = reader.payload;
      update.binary = reader.binary;
      break;
    default:
      update.isText = true;
  }
}

const UPDATE_TYPES: Readonly<Record<number, string>> = {
  [ROW.CHANGE]: 'value_change',
  [ROW.INITIAL]: 'initial_value',
  [ROW.RESYNC]: 'resync',
  [ROW.DELETED]: 'deleted',
};
