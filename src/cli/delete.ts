/** `delete NAME`: deletes a variable; its watchers are told. */
import type { ClientOptions } from './client.js';
import { withState } from './client.js';
import type { Output } from './output.js';
import { jsonOf } from './value-text.js';

export async function deleteVariable(name: string, options: ClientOptions, output: Output): Promise<void> {
  await withState(options, async (state) => {
    await state.deleteVariable(name);
    output.line(options.json === true ? jsonOf({ name, deleted: true }) : `deleted ${name}`);
  });
}
