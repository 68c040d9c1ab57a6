import { isObject } from './error-body.ts';
import { isCount } from './usage.ts';

type Fields = Record<string, unknown>;

/**
 * The entries of a listing's answer, each with its name under `id`.
 *
 * @throws when there is no such list: an empty one would hide a wrong address
 */
export function readListing(body: unknown, list: string, id: string): (Fields & { id: string })[] {
  const entries = isObject(body) ? body[list] : undefined;
  if (!Array.isArray(entries)) throw new Error(`the listing has no "${list}"`);
  return entries.map((entry: unknown) => {
    const name = isObject(entry) ? entry[id] : undefined;
    if (!isObject(entry) || typeof name !== 'string' || name === '') throw new Error(`a listed model has no "${id}"`);
    return { ...entry, id: name };
  });
}

/** `{ [field]: value }` where the value is a text, to be spread; else nothing. */
export function textField<F extends string>(field: F, value: unknown): { [key in F]?: string } {
  return typeof value === 'string' && value !== '' ? ({ [field]: value } as { [key in F]: string }) : {};
}

/** `{ [field]: value }` where the value is a positive whole number, to be spread; else nothing. */
export function sizeField<F extends string>(field: F, value: unknown): { [key in F]?: number } {
  return isCount(value) && value > 0 ? ({ [field]: value } as { [key in F]: number }) : {};
}
