import { distance } from 'fastest-levenshtein';

/** Code points that are compared: the work grows with the product of both lengths, and this takes a few milliseconds. */
const maxLength = 10_000;

/** How alike two texts are, 0 to 1: one less the share of characters that must be edited. `cut`: only their beginnings. */
export function toSimilarity(a: string, b: string): { score: number; cut: boolean } {
  const [left, right] = [Array.from(a.trim().normalize('NFC')), Array.from(b.trim().normalize('NFC'))];
  const length = Math.min(maxLength, Math.max(left.length, right.length));
  const cut = Math.max(left.length, right.length) > maxLength;
  if (length === 0) return { score: 1, cut };
  const toUnits = createAlphabet();
  const edits = distance(toUnits(left.slice(0, maxLength)), toUnits(right.slice(0, maxLength)));
  return { score: 1 - edits / length, cut };
}

/** Writes each code point as one unit: the library counts units, of which an emoji has two. */
function createAlphabet() {
  const units = new Map<string, string>();
  return (points: readonly string[]): string =>
    points
      .map((point) => {
        const unit = units.get(point) ?? String.fromCharCode(units.size + 1);
        units.set(point, unit);
        return unit;
      })
      .join('');
}
