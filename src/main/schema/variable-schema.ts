/** Variables of a program by name, with the types of their values. Path: definitions -> [variable schema] -> typed state. */
import {
  AlreadyExistsError,
  InvalidArgumentError,
  InvalidConstraintError,
  InvalidTypeError,
  VariablesNotFoundError,
} from '../../shared/errors.js';
import { checkConstraints, parseConstraints } from '../../shared/values/constraint.js';
import { describeValue } from '../../shared/values/describe-value.js';
import { checkName } from '../../shared/values/identifier.js';
import { isPlainMap } from '../../shared/values/plain-map.js';
import { normalizeValue } from '../../shared/values/value-codec.js';
import type { VariableInput } from '../../shared/values/variable-type.js';
import type { StateProvider, VariableInfo } from '../state-provider.js';
import { type Definitions, isDefinition } from './definitions.js';
import { TypedState } from './typed-state.js';

/** By `defineVariables`. */
export class VariableSchema<D extends Definitions = Definitions> {
  readonly definitions: D;

  constructor(definitions: D) {
    this.definitions = definitions;
  }

  /**
   * Registers those that are not there and takes the others with their present values; where one does not fit, none is registered.
   * @throws InvalidTypeError when one is there with another type, InvalidConstraintError when one that is there may hold texts that the schema
   * does not know, InvalidArgumentError when one has no `initial`, and what `registerVariable` throws
   */
  async register(provider: StateProvider): Promise<TypedState<D>> {
    const missing: string[] = [];
    for (const [name, { type, initial }] of Object.entries(this.definitions)) {
      if (initial !== undefined) continue;
      throw new InvalidArgumentError(`variable "${name}": give initial: nothing obvious is a ${type} to begin with`);
    }
    await all(Object.keys(this.definitions), async (name) => {
      if (!(await this.#takePresent(provider, name))) missing.push(name);
    });
    await all(missing, async (name) => {
      const { type, initial, constraints, description, metadata, ttlMs } = this.definitions[name]!;
      try {
        const options = { constraints, description, metadata, ttlMs };
        await provider.registerVariable(name, type, initial as VariableInput, options);
      } catch (error) {
        // Another program has the same schema, and was faster.
        if (!(error instanceof AlreadyExistsError) || !(await this.#takePresent(provider, name))) throw error;
      }
    });
    return this.over(provider);
  }

  /** Takes the variables as they are, or will be: nothing is registered and nothing looked at. */
  over(provider: StateProvider): TypedState<D> {
    return new TypedState<D>(provider, Object.keys(this.definitions));
  }

  /** Whether it is there. @throws InvalidTypeError, InvalidConstraintError */
  async #takePresent(provider: StateProvider, name: string): Promise<boolean> {
    let present: VariableInfo;
    try {
      present = await provider.getVariableInfo(name);
    } catch (error) {
      if (error instanceof VariablesNotFoundError) return false;
      throw error;
    }
    const { type, constraints } = this.definitions[name]!;
    if (present.type !== type) {
      throw new InvalidTypeError(
        `variable "${name}" is there as ${present.type}, not ${type}: define it as that, or under another name`,
      );
    }
    for (const key of LISTED) {
      const known = constraints[key];
      const strange = present.constraints[key]?.find((text) => known?.includes(text) === false);
      if (known === undefined || (present.constraints[key] !== undefined && strange === undefined)) continue;
      const what = strange === undefined ? 'any text' : JSON.stringify(strange);
      throw new InvalidConstraintError(
        `variable "${name}" is there and may be ${what}, which its ${key} in the schema do not know: add it, or delete the variable`,
      );
    }
    return true;
  }
}

/** Constraints by which the compiler knows the texts. */
const LISTED = ['choices', 'enum', 'allowed_modules'] as const;

/**
 * A typed schema: names and values are checked by the compiler in everything that is done through it.
 * @throws InvalidNameError, InvalidConstraintError, InvalidValueError and ConstraintViolationError for an `initial` that does not fit
 */
export function defineVariables<const D extends Definitions>(definitions: D): VariableSchema<D> {
  if (typeof definitions !== 'object' || definitions === null || !isPlainMap(definitions)) {
    throw new InvalidArgumentError(
      `defineVariables: give an object of definitions such as { fan: boolean() }, not ${describeValue(definitions)}`,
    );
  }
  for (const [name, definition] of Object.entries(definitions)) {
    checkName(name);
    if (!isDefinition(definition)) {
      throw new InvalidArgumentError(
        `variable "${name}": give a definition such as float() or choice('eco', 'boost'), not ${describeValue(definition)}`,
      );
    }
    const { type, initial, constraints } = definition;
    const subject = `variable "${name}"`;
    const parsed = parseConstraints(type, constraints, subject);
    if (initial !== undefined) checkConstraints(type, parsed, normalizeValue(type, initial, subject), subject);
  }
  return new VariableSchema(Object.freeze({ ...definitions }));
}

async function all(names: readonly string[], one: (name: string) => Promise<void>): Promise<void> {
  await Promise.all(names.map(one));
}
