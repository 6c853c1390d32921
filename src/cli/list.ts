/** `list [PATTERN]`: the variables of a session, by name. */
import type { VariableInfo } from '../main/index.js';
import type { ClientOptions } from './client.js';
import { withState } from './client.js';
import type { Output } from './output.js';
import { shorten, table } from './output.js';
import type { Printable } from './value-text.js';
import { jsonOf, plainOf } from './value-text.js';

export async function list(pattern: string | undefined, options: ClientOptions, output: Output): Promise<void> {
  await withState(options, async (state) => {
    const variables = await state.listVariables(pattern);
    variables.sort((a, b) => (a.name < b.name ? -1 : 1));
    if (options.json === true) {
      output.line(jsonOf(variables.map(printable)));
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

function printable(variable: VariableInfo): Printable {
  const { name, id, type, value, version, constraints, metadata, description, ttlMs, lastUpdatedAt } = variable;
  return {
    name,
    id,
    type,
    value,
    version,
    constraints: { ...constraints },
    metadata,
    description,
    ttlMs,
    lastUpdatedAt,
  };
}

const SHOWN_CHARACTERS = 60;
