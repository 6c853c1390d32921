/** A value that crosses a port: opaque binary loses its class on the way, and gets it back here. */
import type { VariableValue } from '../values/variable-type.js';
import { OpaqueBinary } from '../values/variable-type.js';

export interface PortValue {
  readonly value: unknown;
  readonly isOpaque: boolean;
}

export function toPortValue(value: VariableValue): PortValue {
  return { value, isOpaque: value instanceof OpaqueBinary };
}

export function fromPortValue(port: PortValue): VariableValue {
  return port.isOpaque ? reviveOpaque(port.value) : (port.value as VariableValue);
}

/** @param fields what a port made of an OpaqueBinary */
export function reviveOpaque(fields: unknown): OpaqueBinary {
  const { header, bytes } = fields as OpaqueBinary;
  return new OpaqueBinary(header, bytes);
}
