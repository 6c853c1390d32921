/**
 * How many workers a promise is tried with: by whatever carries watches where nobody says, and by streams, where `npm test` asks for them in its
 * second run. One number is enough there; none, one and two each have their files.
 */
export function workerCounts(counts: readonly number[], byStreams: number): readonly number[] {
  return process.env.BRIDGED_STATE_TRANSPORT === 'stream' ? [byStreams] : counts;
}
