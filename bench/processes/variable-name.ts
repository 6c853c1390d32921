/** Name of a measurement's variable by its number. */
export function variableName(variable: number): string {
  return `sensor-${variable}`;
}
