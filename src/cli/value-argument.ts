/** VALUE and other arguments that are texts, as what they say. Path: shell -> [value argument] -> library. */
import { InvalidValueError } from '../shared/errors.js';
import { parseJson } from '../shared/values/json.js';
import { encodeUtf8, isWellFormed } from '../shared/values/utf8.js';
import { decodeValue } from '../shared/values/value-codec.js';
import type { VariableInput, VariableType } from '../shared/values/variable-type.js';
import { UsageError } from './usage-error.js';

/**
 * By the declared type. For string, choice and module a JSON string literal is decoded and any other text stands for itself, `5` and
 * `true` too; the other types take JSON, and float the bare words NaN, Infinity and -Infinity besides.
 * @throws UsageError for what is not JSON, InvalidValueError for JSON that is not of the type
 */
export function readValueArgument(type: VariableType, text: string, name: string): VariableInput {
  if (!isWellFormed(text)) throw new UsageError(`the value of "${name}" is not well-formed Unicode: give other text`);
  switch (type) {
    case 'string':
    case 'choice':
    case 'module':
      return readTextArgument(text);
    case 'float':
      return readTyped(type, FLOAT_WORDS.includes(text) ? `"${text}"` : text, name);
    default:
      return readTyped(type, text, name);
  }
}

/** @throws UsageError for what is not JSON */
export function checkJsonArgument(text: string, what: string, example: string): void {
  try {
    parseJson(text, what);
  } catch (error) {
    // JSON that says too much, such as 1e999, is refused by whoever reads it, for what it is.
    if (!(error instanceof InvalidValueError && error.cause instanceof SyntaxError)) return;
    throw new UsageError(`${what} ${JSON.stringify(shown(text))} is not JSON: write it such as ${example}`);
  }
}

function readTyped(type: VariableType, text: string, name: string): VariableInput {
  checkJsonArgument(text, `the value of "${name}", a variable of type ${type},`, EXAMPLES[type]);
  return decodeValue(type, { typeUrl: '', value: encodeUtf8(text), binary: undefined }, `variable "${name}"`);
}

function readTextArgument(text: string): string {
  if (!text.trimStart().startsWith('"')) return text;
  try {
    const value = parseJson(text);
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}

function shown(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

const FLOAT_WORDS: readonly string[] = ['NaN', 'Infinity', '-Infinity'];
const SHOWN_CHARACTERS = 40;

const EXAMPLES: Readonly<Record<VariableType, string>> = {
  float: '21.5',
  integer: '42',
  string: '"text"',
  boolean: 'true',
  choice: '"one"',
  module: '"name"',
  embedding: "'[0.1, 0.2]'",
  tensor: '\'{"shape": [2], "data": [1, 2]}\'',
  map: '\'{"key": 1}\'',
  list: "'[1, 2]'",
};
