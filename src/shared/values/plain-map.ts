/** What is a plain map, and not an instance of something: its own keys are all that there is to it. Throws what a hostile proxy throws. */

/** Of any realm: in a vm context, as test runners use them, `Object.prototype` is another one. A class that extends null has no isPrototypeOf. */
export function isPlainMap(input: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(input);
  if (prototype === null || prototype === Object.prototype) return !Array.isArray(input);
  if (Object.getPrototypeOf(prototype) !== null || Array.isArray(input)) return false;
  return Object.hasOwn(prototype as object, 'isPrototypeOf');
}
