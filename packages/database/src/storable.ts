/**
 * JSON of `value` that both databases take: PostgreSQL refuses the character U+0000 and halves of a surrogate pair, and a
 * vendor's stream that was cut short can end in one.
 */
export function toStorableJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'string' ? toStorableText(item) : item));
}

/** A copy of a JSON value that both databases take, see {@link toStorableJson}. */
export function toStorable<Value>(value: Value): Value {
  return JSON.parse(toStorableJson(value));
}

function toStorableText(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}
