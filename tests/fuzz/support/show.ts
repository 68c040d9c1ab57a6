const longest = 200;

/** An input as somebody can read and type it: long texts cut, bytes as text, and whatever is no ASCII escaped. */
export function show(value: unknown): string {
  const json = JSON.stringify(toShown(value, 0), undefined, 1) ?? String(value);
  return json.replaceAll(/[^\n -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function toShown(value: unknown, depth: number): unknown {
  if (depth > 12) return '…';
  if (value instanceof Uint8Array) return { bytes: cut(Buffer.from(value).toString('latin1'), 1_000) };
  if (typeof value === 'string') return cut(value);
  if (typeof value === 'number') return Object.is(value, -0) || !Number.isFinite(value) ? `number ${value}` : value;
  if (Array.isArray(value)) {
    const shown = value.slice(0, longest).map((entry) => toShown(entry, depth + 1));
    return value.length > longest ? [...shown, `… (${value.length} entries)`] : shown;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [cut(key), toShown(entry, depth + 1)]));
}

function cut(text: string, most = longest): string {
  return text.length > most ? `${text.slice(0, most)}… (${text.length} characters)` : text;
}
