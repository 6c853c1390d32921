/** `rollback NAME VERSION`: sets an earlier version's value again and prints the new version. */
import type { ClientOptions } from './client.js';
import { withState } from './client.js';
import type { Output } from './output.js';
import { jsonOf } from './value-text.js';

export async function rollback(name: string, to: number, options: ClientOptions, output: Output): Promise<void> {
  await withState(options, async (state) => {
    const version = await state.rollback(name, to);
    output.line(options.json === true ? jsonOf({ name, version }) : String(version));
  });
}
