import { VersionTracker } from '../../src/shared/delivery/version-tracker.js';
import type { Kernel } from './kernel.js';
import { repeat } from './kernel.js';

export function versionTrackerKernels(): Kernel[] {
  const tracker = new VersionTracker();
  let version = 0;
  return [
    repeat('version tracker: next version', () => {
      version += 1;
      return tracker.accept(version, 'epoch-1', 'var-1', false);
    }),
  ];
}
