import type { LaneReader, LaneSink } from '../../src/shared/port/update-lane.js';
import { LaneWriter, makeLane, LaneReader as Reader } from '../../src/shared/port/update-lane.js';
import { EMPTY_METADATA } from '../../src/shared/values/metadata.js';
import type { Kernel } from './kernel.js';
import { SET_AT_MS } from './kernel.js';

/** Both ends on one thread. */
export function updateLaneKernels(): Kernel[] {
  const memory = makeLane(UPDATES);
  const writer = new LaneWriter(memory);
  const reader = new Reader(memory);
  let kept: unknown;
  const sink: LaneSink = {
    handleLineage: () => undefined,
    handleUpdate: ({ handle, version, value, source }: LaneReader) => {
      kept = [handle, version, value, source];
    },
    handleReply: () => undefined,
  };
  const run = () => {
    for (let place = 0; place < UPDATES; place += 1) {
      writer.append(place, 2, 21.5, SET_AT_MS, SET_AT_MS + 1, place, 0, 0, 0, '', EMPTY_METADATA, undefined);
    }
    writer.publish();
    reader.drain(sink, () => undefined);
    reader.release();
    return kept;
  };
  return [{ name: 'update lane: write and read', operations: UPDATES, run }];
}

const UPDATES = 256;
