/** `list [PATTERN]`: the variables of a session, by name. */
import type { ClientOptions } from './client.js';
import { withState } from './client.js';
import type { Output } from './output.js';
import { shorten, table } from './output.js';
import { jsonOf, plainOf } from './value-text.js';

export async function list(pattern: string | undefined, options: ClientOptions, output: Output): Promise<void> {
  await withState(options, async (state) => {
    const variables = await state.listVariables(pattern);
    variables.sort((a, b) => (a.name < b.name ? -1 : 1));
    if (options.json === true) {
      output.line(jsonOf(variables.map((variable) => ({ ...variable, constraints: { ...variable.constraints } }))));
      return;
    }
    const rows = variables.map(({ name, type, version, value }) => [
      name,
      type,
      String(version),
      shorten(plainOf(value), SHOWN_CHARACTERS),
    ]);
    const [heading, ...lines] = table([['NAME', 'TYPE', 'VERSION', 'VALUE'], ...rows]);
    output.line(output.paint('bold', heading!));
    for (const line of lines) output.line(line);
  });
}

const SHOWN_CHARACTERS = 60;
