/** Variables of a measurement, made by plain calls. */
import type { Client } from '@grpc/grpc-js';
import { callPlain } from '../baselines/plain-calls.js';
import type { ValueKind } from './measured-value.js';
import { MEASURED_VALUES, typeUrlOf } from './measured-value.js';
import { variableName } from './variable-name.js';

/** All at version 1. @throws Error saying which one was refused, and why */
export async function registerVariables(
  client: Client,
  sessionId: string,
  variables: number,
  values: ValueKind = 'number',
  nameOf: (variable: number) => string = variableName,
): Promise<void> {
  await inFlight(variables, 64, async (variable) => {
    const { success, errorMessage } = await callPlain(client, 'RegisterVariable', {
      sessionId,
      name: nameOf(variable),
      type: MEASURED_VALUES[values].type,
      initialValue: { type_url: typeUrlOf(values), value: Buffer.from(MEASURED_VALUES[values].write(0)) },
    });
    if (success !== true) throw new Error(`variable ${variable} was refused: ${errorMessage}`);
  });
}

async function inFlight(count: number, limit: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lanes = Array.from({ length: Math.min(limit, count) }, async () => {
    while (next < count) {
      next += 1;
      await task(next - 1);
    }
  });
  await Promise.all(lanes);
}
