/** `register NAME TYPE VALUE`: makes a variable. */
import { parseVariableType } from '../shared/values/variable-type.js';
import type { ClientOptions } from './client.js';
import { withState } from './client.js';
import type { Output } from './output.js';
import { checkJsonArgument, readValueArgument } from './value-argument.js';
import { jsonOf } from './value-text.js';

export interface RegisterCommandOptions extends ClientOptions {
  readonly constraints?: string;
}

export async function register(
  name: string,
  typeName: string,
  valueText: string,
  options: RegisterCommandOptions,
  output: Output,
): Promise<void> {
  const { constraints } = options;
  const type = parseVariableType(typeName);
  const value = readValueArgument(type, valueText, name);
  if (constraints !== undefined) checkJsonArgument(constraints, '--constraints', '\'{"min": 0, "max": 100}\'');
  await withState(options, async (state) => {
    const id = await state.registerVariable(name, type, value, constraints === undefined ? {} : { constraints });
    output.line(options.json === true ? jsonOf({ name, id, version: 1 }) : id);
  });
}
