/**
 * JSON of `value` that both databases take: PostgreSQL refuses the character U+0000 and halves of a surrogate pair, and a
 * vendor's stream that was cut short can end in one.
 */
export function toStorableJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'string') return toStorableText(item);
    return typeof item === 'object' && item !== null && !Array.isArray(item) ? withStorableKeys(item) : item;
  });
}

/** The object itself, where nothing is to be done. */
function withStorableKeys(object: object): object {
  const keys = Object.keys(object);
  if (keys.every((key) => key === toStorableText(key))) return object;
  return Object.fromEntries(Object.entries(object).map(([key, item]) => [toStorableText(key), item]));
}

/** A copy of a JSON value that both databases take, see {@link toStorableJson}. */
export function toStorable<Value>(value: Value): Value {
  return JSON.parse(toStorableJson(value));
}

/** The same of a text, also of one that is looked for. */
export function toStorableText(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}
