/**
 * What a watch is still to be sent of its opening, in the order of revisions. Path: watch opening -> [opening queue] -> outbox.
 * A variable that is replayed has one entry, whatever the number of its versions: each that is taken makes room for its next.
 */
import type { Opening } from './opening.js';

type Replay = Extract<Opening, { readonly type: 'replay' }>;

export class OpeningQueue {
  /** By revision. */
  readonly #openings: readonly Opening[];
  #index = 0;
  /** Replays that go on: a heap by revision. */
  readonly #replays: Replay[] = [];

  /** `openings` in the order of their revisions. */
  constructor(openings: readonly Opening[]) {
    this.#openings = openings;
  }

  /** Without taking it. */
  peek(): Opening | undefined {
    const first = this.#openings[this.#index];
    const replay = this.#replays[0];
    return replay !== undefined && (first === undefined || replay.revision < first.revision) ? replay : first;
  }

  take(): Opening | undefined {
    const opening = this.peek();
    if (opening === undefined) return undefined;
    if (opening === this.#replays[0]) this.#takeReplay();
    else this.#index += 1;
    if (opening.type === 'replay' && opening.version < opening.upTo) this.#pushReplay(nextOf(opening));
    return opening;
  }

  #pushReplay(replay: Replay): void {
    const heap = this.#replays;
    let place = heap.length;
    while (place > 0) {
      const parentPlace = (place - 1) >> 1;
      const parent = heap[parentPlace]!;
      if (parent.revision <= replay.revision) break;
      heap[place] = parent;
      place = parentPlace;
    }
    heap[place] = replay;
  }

  #takeReplay(): void {
    const heap = this.#replays;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let childPlace = 2 * place + 1;
      let child = heap[childPlace];
      if (child === undefined) break;
      const other = heap[childPlace + 1];
      if (other !== undefined && other.revision < child.revision) {
        child = other;
        childPlace += 1;
      }
      if (child.revision >= last.revision) break;
      heap[place] = child;
      place = childPlace;
    }
    heap[place] = last;
  }
}

/** One that the history has let go of stands where the one before it stood: it is passed over at once. */
function nextOf({ type, sent, version, upTo, revision, wanted }: Replay): Replay {
  const next = wanted === undefined ? version + 1 : wanted.versions[wanted.place + 1]!;
  return {
    type,
    sent,
    version: next,
    upTo,
    revision: sent.variable.history.find(next)?.revision ?? revision,
    wanted: wanted && { versions: wanted.versions, place: wanted.place + 1 },
  };
}
