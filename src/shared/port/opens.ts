/**
 * Watches of one variable each, in columns: a service that opens thousands by a call each tells its worker so once a turn.
 * Path: slot client -> [opens] -> slot. Bounded: by what their sender lets into one message.
 */
import type { OpenCommand, OpensCommand } from './commands.js';

/** Whether it may stand in columns: one name, of which nothing has been seen. */
export function isPlainOpen({ identifiers, patterns, epoch, wasSynced, resume }: OpenCommand): boolean {
  return identifiers.length === 1 && patterns.length === 0 && epoch === '' && !wasSynced && resume === undefined;
}

export function opensOf({ bridge, id, subscription, identifiers, handles, options }: OpenCommand): OpensCommand {
  return {
    kind: 'opens',
    bridge,
    options,
    ids: [id],
    subscriptions: [subscription],
    identifiers: [identifiers[0]!],
    handles: [handles[0]!],
  };
}

/** Whether the other one, which is plain, stands in the columns now: it is asked for as they are. */
export function addOpen(
  opens: OpensCommand,
  { bridge, id, subscription, identifiers, handles, options }: OpenCommand,
): boolean {
  if (bridge !== opens.bridge || options !== opens.options) return false;
  opens.ids.push(id);
  opens.subscriptions.push(subscription);
  opens.identifiers.push(identifiers[0]!);
  opens.handles.push(handles[0]!);
  return true;
}

export function openAt(opens: OpensCommand, place: number): OpenCommand {
  const { bridge, options } = opens;
  return {
    kind: 'open',
    id: opens.ids[place]!,
    bridge,
    subscription: opens.subscriptions[place]!,
    identifiers: [opens.identifiers[place]!],
    handles: [opens.handles[place]!],
    patterns: NONE,
    epoch: '',
    wasSynced: false,
    options,
    resume: undefined,
  };
}

const NONE: readonly string[] = [];
