/** `set NAME VALUE`: sets a variable and prints its version. VALUE is read by the type that the variable was registered with. */
import type { ClientOptions } from './client.js';
import { withState } from './client.js';
import type { Output } from './output.js';
import { readValueArgument } from './value-argument.js';
import { jsonOf } from './value-text.js';

export interface SetCommandOptions extends ClientOptions {
  readonly expectedVersion?: number;
  readonly source?: string;
}

export async function set(name: string, valueText: string, options: SetCommandOptions, output: Output): Promise<void> {
  const { expectedVersion, source } = options;
  await withState(options, async (state) => {
    const { type } = await state.getVariableInfo(name);
    const version = await state.setVariable(name, readValueArgument(type, valueText, name), {
      ...(expectedVersion === undefined ? {} : { expectedVersion }),
      ...(source === undefined ? {} : { source }),
    });
    output.line(options.json === true ? jsonOf({ name, version }) : String(version));
  });
}
