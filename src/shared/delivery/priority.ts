/** Which watches go first where not all can go at once. Path: port line, turn line -> [priority]. */

/** In the order in which they go. */
export const PRIORITIES = ['urgent', 'normal', 'background'] as const;

export type Priority = (typeof PRIORITIES)[number];

/** 0 goes first. */
export type Rank = 0 | 1 | 2;

export const URGENT: Rank = 0;
export const NORMAL: Rank = 1;
export const BACKGROUND: Rank = 2;
export const RANKS: readonly Rank[] = [URGENT, NORMAL, BACKGROUND];

export function rankOf(priority: Priority): Rank {
  switch (priority) {
    case 'urgent':
      return URGENT;
    case 'normal':
      return NORMAL;
    case 'background':
      return BACKGROUND;
    default:
      return priority satisfies never;
  }
}
