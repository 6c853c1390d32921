import { UpdateRecord } from '../../src/shared/delivery/update.js';
import type { LaneReader, LaneSink } from '../../src/shared/port/update-lane.js';
import { LaneWriter, makeLane, LaneReader as Reader } from '../../src/shared/port/update-lane.js';
import type { Kernel } from './kernel.js';
import { SET_AT_MS } from './kernel.js';

/** Both ends on one thread. */
export function updateLaneKernels(): Kernel[] {
  const memory = makeLane(UPDATES);
  const writer = new LaneWriter(memory);
  const reader = new Reader(memory);
  const update = Object.assign(new UpdateRecord(), {
    version: 2,
    value: 21.5,
    timestamp: SET_AT_MS,
    receivedAt: SET_AT_MS + 1,
  });
  let kept: unknown;
  const sink: LaneSink = {
    handleUpdate: ({ handle, version, value, source }: LaneReader) => {
      kept = [handle, version, value, source];
    },
    handleReply: () => undefined,
  };
  const run = () => {
    for (let place = 0; place < UPDATES; place += 1) {
      update.handle = place;
      update.revision = place;
      writer.append(update);
    }
    writer.publish();
    reader.drain(sink, () => undefined);
    reader.release();
    return kept;
  };
  return [{ name: 'update lane: write and read', operations: UPDATES, run }];
}

const UPDATES = 256;
