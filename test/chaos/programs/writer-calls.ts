/** Calls of the API as data, so that another thread can make them, and their answers. */
import type { StateProvider, VariableInput, VariableType } from '../../../src/main/index.js';
import type { Tag } from '../history/value-tag.js';
import { decodeTag } from '../history/value-tag.js';
import type { ErrorName } from './clock.js';
import { codeOf, nowMs, pause } from './clock.js';

export type WriterCall =
  | { readonly name: 'set'; readonly identifier: string; readonly value: VariableInput }
  | { readonly name: 'batch'; readonly values: Readonly<Record<string, VariableInput>>; readonly atomic: boolean }
  | {
      readonly name: 'register';
      readonly identifier: string;
      readonly type: VariableType;
      readonly value: VariableInput;
    }
  | { readonly name: 'delete'; readonly identifier: string }
  | { readonly name: 'read' };

export interface WriterAnswer {
  readonly startMs: number;
  readonly endMs: number;
  /** A version, versions by identifier, an id, or what the session holds. */
  readonly result: unknown;
  readonly error: ErrorName | undefined;
}

export interface ReadVariable {
  readonly name: string;
  readonly id: string;
  readonly version: number;
  readonly tag: Tag | undefined;
  readonly isNumber: boolean;
  readonly kept: readonly { readonly version: number; readonly tag: Tag | undefined }[];
}

/** Makes calls in order, `atOnce` of them in a turn, and waits for no answer before the next. Resolves with all answers. */
export async function callEach(
  state: StateProvider,
  calls: readonly WriterCall[],
  atOnce: number,
): Promise<WriterAnswer[]> {
  const answers: Promise<WriterAnswer>[] = [];
  for (const call of calls) {
    answers.push(answerOf(() => make(state, call)));
    if (answers.length % atOnce === 0) await pause(1);
  }
  return Promise.all(answers);
}

/** Never rejects. */
export async function answerOf(call: () => Promise<unknown>): Promise<WriterAnswer> {
  const startMs = nowMs();
  try {
    const result = await call();
    return { startMs, endMs: nowMs(), result, error: undefined };
  } catch (error) {
    return { startMs, endMs: nowMs(), result: undefined, error: codeOf(error) };
  }
}

async function make(state: StateProvider, call: WriterCall): Promise<unknown> {
  switch (call.name) {
    case 'set':
      return state.setVariable(call.identifier, call.value);
    case 'batch':
      return state.updateVariables(call.values, { atomic: call.atomic });
    case 'register':
      return state.registerVariable(call.identifier, call.type, call.value);
    case 'delete':
      return state.deleteVariable(call.identifier);
    case 'read':
      return readAll(state);
    default:
      return call satisfies never;
  }
}

async function readAll(state: StateProvider): Promise<ReadVariable[]> {
  const infos = await state.listVariables();
  return Promise.all(
    infos.map(async ({ name, id, version, value }) => {
      const history = await state.history(name);
      const kept = history.map((entry) => ({ version: entry.version, tag: decodeTag(entry.value) }));
      return { name, id, version, tag: decodeTag(value), isNumber: typeof value === 'number', kept };
    }),
  );
}
