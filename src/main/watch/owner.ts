/**
 * Ends a watch with its owner: a worker that exits, a port that closes, a signal that aborts, an object that is collected.
 * Path: the world -> [owner] -> watch. One listener an owner however many watches it has; taken off when the last of them is over.
 */
import { AbortedError } from '../../shared/errors.js';
import { isSignal } from '../../shared/signal.js';

/** What ended: a signal with its reason, or another owner. */
export interface Ended {
  readonly what: 'signal' | 'owner';
  readonly cause: unknown;
}

type End = (ended: Ended) => void;

interface Registration {
  readonly ends: Set<End>;
  readonly detach: () => void;
}

const registrations = new WeakMap<object, Registration>();
const collected = new FinalizationRegistry<Set<End>>((ends) => {
  for (const end of [...ends]) end(OWNER);
});

/** Calls `end` once when the owner is over. Returns what undoes it. @throws AbortedError when it is over already */
export function followOwner(owner: object, end: End): () => void {
  const reason = overAlready(owner);
  if (reason !== undefined) {
    throw new AbortedError(`the watch's ${reason.what} is over already: nothing would end it later`, {
      cause: reason.cause,
    });
  }
  let registration = registrations.get(owner);
  if (registration === undefined) {
    registration = listen(owner);
    registrations.set(owner, registration);
  }
  const { ends, detach } = registration;
  ends.add(end);
  return () => {
    // `owner` must not be held here: an owner that is only held by its watches is nobody's.
    if (ends.delete(end) && ends.size === 0) detach();
  };
}

function listen(owner: object): Registration {
  const ends = new Set<End>();
  const endAll = () => {
    const followers = [...ends];
    ends.clear();
    const present = weak.deref();
    const ended: Ended = present !== undefined && isSignal(present) ? { what: 'signal', cause: present.reason } : OWNER;
    // A stream says 'end' and 'close': only the first of them counts.
    detach();
    for (const end of followers) end(ended);
  };
  const weak = new WeakRef(owner);
  const forget = () => {
    const present = weak.deref();
    if (present !== undefined) registrations.delete(present);
  };
  const stop = addEndListeners(owner, endAll);
  if (stop === undefined) collected.register(owner, ends, ends);
  const detach = () => {
    forget();
    if (stop === undefined) collected.unregister(ends);
    else stop(weak.deref());
  };
  return { ends, detach };
}

/** Undefined when the owner tells no end and is followed to its collection. */
function addEndListeners(owner: object, end: () => void): ((owner: object | undefined) => void) | undefined {
  const event = eventOf(owner);
  if (event !== undefined) {
    const target = owner as EndTarget;
    target.addEventListener(event, end);
    return (present) => (present as EndTarget | undefined)?.removeEventListener(event, end);
  }
  if (isEmitter(owner)) {
    for (const name of END_EVENTS) owner.on(name, end);
    return (present) => {
      for (const name of END_EVENTS) (present as Emitter | undefined)?.off(name, end);
    };
  }
  return undefined;
}

/** What workers, child processes, sockets and streams emit when they are over. */
const END_EVENTS = ['exit', 'close', 'end'] as const;

interface Emitter {
  on(name: string, listener: () => void): unknown;
  off(name: string, listener: () => void): unknown;
}

function isEmitter(owner: object): owner is Emitter {
  return typeof (owner as Partial<Emitter>).on === 'function' && typeof (owner as Partial<Emitter>).off === 'function';
}

/** What an event target of any realm, or a polyfill of one, can be listened to by. */
interface EndTarget {
  addEventListener(name: string, listener: () => void): unknown;
  removeEventListener(name: string, listener: () => void): unknown;
}

/** The event of an owner that is an event target first of all: a signal, a port. */
function eventOf(owner: object): string | undefined {
  if (isSignal(owner)) return 'abort';
  if (!isEventTarget(owner)) return undefined;
  return owner instanceof EventTarget || !isEmitter(owner) ? 'close' : undefined;
}

function isEventTarget(owner: object): owner is EndTarget {
  const { addEventListener, removeEventListener } = owner as Partial<EndTarget>;
  return typeof addEventListener === 'function' && typeof removeEventListener === 'function';
}

function overAlready(owner: object): Ended | undefined {
  if (isSignal(owner)) return owner.aborted ? { what: 'signal', cause: owner.reason } : undefined;
  const { threadId, exitCode, signalCode, destroyed, readyState } = owner as {
    threadId?: unknown;
    exitCode?: unknown;
    signalCode?: unknown;
    destroyed?: unknown;
    readyState?: unknown;
  };
  // A worker's threadId is -1 once it has exited; a child process has an exit code or a signal; a WebSocket that is closed is in state 3.
  const isOver =
    (isEmitter(owner) && threadId === -1) ||
    typeof exitCode === 'number' ||
    typeof signalCode === 'string' ||
    destroyed === true ||
    (readyState === 3 && (isEmitter(owner) || isEventTarget(owner)));
  return isOver ? OWNER : undefined;
}

const OWNER: Ended = { what: 'owner', cause: undefined };
