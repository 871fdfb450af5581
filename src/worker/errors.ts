/** Errors on their way from thread to thread: they arrive with class, message, fields and stack. */
import * as known from '../errors.js';

export interface PackedError {
  name: string;
  message: string;
  stack: string | undefined;
  /** Own properties that can be copied. */
  fields: Record<string, unknown>;
}

export function packError(error: unknown): PackedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined, fields: {} };
  const { name, message, stack } = error;
  const plain = Object.entries(error).filter(([, value]) => value === undefined || typeof value !== 'object');
  const fields = Object.fromEntries(plain.filter(([, value]) => typeof value !== 'function'));
  return { name, message, stack, fields };
}

export function unpackError({ name, message, stack, fields }: PackedError): Error {
  const error = new Error(message);
  const kind = (known as Record<string, unknown>)[name] ?? (globalThis as Record<string, unknown>)[name];
  if (typeof kind === 'function' && kind.prototype instanceof Error) Object.setPrototypeOf(error, kind.prototype);
  // What a class keeps in a getter, such as the name of a DOMException, is hidden by a property of the error's own.
  const own = { ...fields, name, message, ...(stack === undefined ? {} : { stack }) };
  for (const [key, value] of Object.entries(own)) {
    const enumerable = Object.hasOwn(fields, key);
    Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true });
  }
  return error;
}
