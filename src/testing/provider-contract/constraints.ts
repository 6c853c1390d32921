/** What a variable's constraints refuse is refused, whoever sets it, and the variable stays as it was. */
import assert from 'node:assert/strict';
import { BatchRefusedError, ConstraintViolationError, InvalidConstraintError } from '../../shared/errors.js';
import type { ConstraintsInput } from '../../shared/values/constraint.js';
import type { VariableInput, VariableType } from '../../shared/values/variable-type.js';
import type { Promised } from './contract-test.js';

interface ConstraintCase {
  readonly type: VariableType;
  readonly constraints: ConstraintsInput;
  readonly good: readonly VariableInput[];
  readonly bad: readonly VariableInput[];
}

const CASES: readonly ConstraintCase[] = [
  {
    type: 'float',
    constraints: { min: -1, max: 1.5 },
    good: [0, -1, 1.5],
    bad: [-1.01, 2, Number.NaN, Number.POSITIVE_INFINITY],
  },
  {
    type: 'float',
    constraints: { min: 0 },
    good: [0, Number.POSITIVE_INFINITY],
    bad: [-5e-324, Number.NEGATIVE_INFINITY],
  },
  { type: 'integer', constraints: { min: 1, max: 3 }, good: [1, 3], bad: [0, 4, 2n ** 60n] },
  { type: 'integer', constraints: { max: 2n ** 60n }, good: [2n ** 60n, 0], bad: [2n ** 60n + 1n] },
  { type: 'string', constraints: { min_length: 2, max_length: 3 }, good: ['ab', '😀😀😀'], bad: ['a', 'abcd', '😀'] },
  { type: 'string', constraints: { pattern: '^[a-z]+$' }, good: ['abc'], bad: ['', 'Abc', 'a1'] },
  { type: 'string', constraints: { enum: ['on', 'off'] }, good: ['on', 'off'], bad: ['On', ''] },
  { type: 'choice', constraints: { choices: ['red', 'green'] }, good: ['red', 'green'], bad: ['blue', ''] },
  { type: 'module', constraints: { namespace: 'Foo' }, good: ['Foo', 'Foo.Bar'], bad: ['Foobar', 'Bar.Foo'] },
  { type: 'module', constraints: { allowed_modules: ['A', 'B'] }, good: ['A', 'B'], bad: ['C'] },
  {
    type: 'embedding',
    constraints: { dimensions: 3 },
    good: [[1, 2, 3], Float32Array.of(1, 2, 4)],
    bad: [[1, 2], [], new Float64Array(4)],
  },
  {
    type: 'tensor',
    constraints: { shape: [2, null] },
    good: [
      { shape: [2, 1], data: [1, 2] },
      { shape: [2, 2], data: [1, 2, 3, 4] },
    ],
    bad: [
      { shape: [1, 2], data: [1, 2] },
      { shape: [2], data: [1, 2] },
    ],
  },
];

const CONTRADICTIONS: readonly (readonly [VariableType, ConstraintsInput | string, VariableInput])[] = [
  ['float', { min: 2, max: 1 }, 1.5],
  ['string', { min_length: 3, max_length: 2 }, 'abc'],
  ['string', { pattern: '(' }, 'a'],
  ['string', { pattern: '(a)\\1' }, 'aa'],
  ['choice', {}, 'a'],
  ['float', { min: '1' } as unknown as ConstraintsInput, 2],
  ['embedding', { dimensions: 1.5 }, [1]],
  ['tensor', { shape: [-2] }, { shape: [1], data: [1] }],
  ['float', '{"min": 1', 2],
  ['float', '[1]', 2],
];

export function describeConstraints(promise: Promised): void {
  for (const { type, constraints, good, bad } of CASES) {
    const text = JSON.stringify(constraints, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    promise(`a ${type} with ${text} takes what it allows and refuses the rest`, async (contract) => {
      const { provider } = contract;
      await provider.registerVariable('x', type, good[0]!, { constraints });
      await provider.registerVariable('y', 'integer', 0);
      assert.deepEqual({ ...(await provider.getVariableInfo('x')).constraints }, constraints);
      for (const value of bad) {
        await contract.refuses(
          () => provider.setVariable('x', value),
          ConstraintViolationError,
          `set ${String(value)}`,
        );
        const register = () => provider.registerVariable('z', type, value, { constraints });
        await contract.refuses(register, ConstraintViolationError, `register ${String(value)}`);
        const update = () => provider.updateVariables({ x: value, y: 1 }, { atomic: true });
        const error = await contract.refuses(update, BatchRefusedError, `update ${String(value)}`);
        assert.equal(error.details.refused?.x?.code, 'CONSTRAINT_VIOLATION');
      }
      for (const value of good) await provider.setVariable('x', value);
    });
  }

  promise('a refused set names the variable and the constraint', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('temperature', 'float', 20, { constraints: { max: 30 } });
    const error = await contract.refuses(() => provider.setVariable('temperature', 31), ConstraintViolationError);
    assert.equal(error.code, 'CONSTRAINT_VIOLATION');
    assert.match(error.message, /temperature/);
    assert.match(error.message, /30/);
  });

  promise('constraints may be given as JSON text', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('x', 'float', 1, { constraints: '{"min": 0}' });
    await contract.refuses(() => provider.setVariable('x', -1), ConstraintViolationError);
    assert.deepEqual({ ...(await provider.getVariableInfo('x')).constraints }, { min: 0 });
  });

  promise('a watcher is not told of a refused set', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('x', 'float', 1, { constraints: { max: 5 } });
    const recording = await contract.record('x');
    await contract.refuses(() => provider.setVariable('x', 9), ConstraintViolationError);
    await provider.setVariable('x', 5);
    const { oldValue, newValue, metadata } = await recording.next();
    assert.deepEqual([oldValue, newValue, metadata.version], [1, 5, 2]);
  });

  for (const [type, constraints, initial] of CONTRADICTIONS) {
    promise(`a ${type} cannot be registered with ${JSON.stringify(constraints)}`, async (contract) => {
      const register = () => contract.provider.registerVariable('x', type, initial, { constraints });
      const error = await contract.refuses(register, InvalidConstraintError);
      assert.equal(error.code, 'INVALID_CONSTRAINT');
    });
  }
}
