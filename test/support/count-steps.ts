/** How much work `work` is, whatever the machine: elements taken from maps, sets and arrays one by one. Not those of `filter`, `map` and the like. */
export async function countSteps(work: () => void | Promise<void>): Promise<number> {
  const originals = PROTOTYPES.map((prototype) => prototype.next);
  let steps = 0;
  for (const [place, prototype] of PROTOTYPES.entries()) {
    const original = originals[place]!;
    prototype.next = function (this: unknown): IteratorResult<unknown> {
      steps += 1;
      return original.call(this);
    };
  }
  try {
    await work();
  } finally {
    for (const [place, prototype] of PROTOTYPES.entries()) prototype.next = originals[place]!;
  }
  return steps;
}

interface IteratorPrototype {
  next: (this: unknown) => IteratorResult<unknown>;
}

const PROTOTYPES: readonly IteratorPrototype[] = [new Map().values(), new Set().values(), [].values()].map(
  (iterator) => Object.getPrototypeOf(iterator) as IteratorPrototype,
);
