/** `get NAME…`: the values, in the order asked for. Those that are there are printed although others are not. */
import type { VariableValue } from '../main/index.js';
import { VariablesNotFoundError } from '../shared/errors.js';
import type { ClientOptions } from './client.js';
import { withState } from './client.js';
import type { Output } from './output.js';
import { jsonOf, plainOf } from './value-text.js';

export async function get(names: readonly string[], options: ClientOptions, output: Output): Promise<void> {
  const wanted = [...new Set(names)];
  await withState(options, async (state) => {
    const values = await state.getVariables(wanted);
    const missing = wanted.filter((name) => !values.has(name));
    const found = wanted.filter((name) => values.has(name)).map((name) => [name, values.get(name)!] as const);
    if (options.json === true) print(found, output);
    else
      for (const [name, value] of found)
        output.line(wanted.length === 1 ? plainOf(value) : `${name} ${plainOf(value)}`);
    if (missing.length > 0) throw VariablesNotFoundError.of(missing);
  });
}

/** By hand: of an object's keys JavaScript would put numeric ones first and lose `__proto__`. */
function print(found: readonly (readonly [string, VariableValue])[], output: Output): void {
  output.line(`{${found.map(([name, value]) => `${JSON.stringify(name)}:${jsonOf(value)}`).join(',')}}`);
}
