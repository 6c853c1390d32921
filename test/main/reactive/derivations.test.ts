import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEPTH_KEY, Derivations, depthOf } from '../../../src/main/reactive/derivations.js';

test('a circle is refused and named in the order in which one is set because of the other', () => {
  const derivations = new Derivations();
  derivations.add('b', ['a']);
  derivations.add('c', ['x', 'b']);
  assert.throws(() => derivations.add('a', ['y', 'c']), /circle: a -> b -> c -> a:/);
  assert.throws(() => derivations.add('d', ['d']), /circle: d -> d:/);
  derivations.remove('c');
  derivations.add('a', ['y', 'c']);
});

test('a target is derived once', () => {
  const derivations = new Derivations();
  derivations.add('b', ['a']);
  assert.throws(() => derivations.add('b', ['c']), /"b" is derived already/);
});

test('what is refused leaves nothing, and whatever is accepted has no circle', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const steps = fc.array(fc.tuple(name, fc.array(name, { minLength: 1, maxLength: 3 }), fc.boolean()), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(steps, (given) => {
      const derivations = new Derivations();
      const model = new Map<string, readonly string[]>();
      for (const [target, names, removes] of given) {
        if (removes) {
          derivations.remove(target);
          model.delete(target);
          continue;
        }
        const isFree = !model.has(target) && !reaches(model, names, target);
        let isAccepted = true;
        try {
          derivations.add(target, names);
        } catch {
          isAccepted = false;
        }
        assert.equal(isAccepted, isFree);
        if (isAccepted) model.set(target, names);
      }
    }),
  );
});

test('the depth is what the setter of a derived variable said, and nothing else', () => {
  const of = (source: string, text: string | undefined) =>
    depthOf({ source, custom: text === undefined ? {} : { [DEPTH_KEY]: text } });
  assert.equal(of('derived', '7'), 7);
  for (const text of [undefined, '', '-1', '1e3', '123456', ' 7']) assert.equal(of('derived', text), 0);
  assert.equal(of('somebody', '7'), 0);
});

function reaches(model: ReadonlyMap<string, readonly string[]>, names: readonly string[], target: string): boolean {
  return names.some((name) => name === target || reaches(model, model.get(name) ?? [], target));
}
