/** `history NAME`: the versions that the server still has, oldest first. */
import type { ClientOptions } from './client.js';
import { withState } from './client.js';
import type { Output } from './output.js';
import { shorten, table } from './output.js';
import { jsonOf, plainOf } from './value-text.js';

export interface HistoryCommandOptions extends ClientOptions {
  readonly limit?: number;
}

export async function history(name: string, options: HistoryCommandOptions, output: Output): Promise<void> {
  const { limit } = options;
  await withState(options, async (state) => {
    const entries = await state.history(name, limit === undefined ? {} : { limit });
    if (options.json === true) {
      output.line(
        jsonOf(
          entries.map(({ version, value, timestamp, source, custom }) => ({
            version,
            value,
            timestamp,
            source,
            custom,
          })),
        ),
      );
      return;
    }
    const rows = entries.map(({ version, timestamp, source, value }) => [
      String(version),
      new Date(timestamp).toISOString(),
      source,
      shorten(plainOf(value), SHOWN_CHARACTERS),
    ]);
    const [heading, ...lines] = table([['VERSION', 'TIME', 'SOURCE', 'VALUE'], ...rows]);
    output.line(output.paint('bold', heading!));
    for (const line of lines) output.line(line);
  });
}

const SHOWN_CHARACTERS = 60;
