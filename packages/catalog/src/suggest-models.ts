import { distance } from 'fastest-levenshtein';

/**
 * Up to five of `names` (`provider/model-id`) that resemble what was asked: those that contain it or are contained in
 * it first, then those a few slips away. Case, spaces and dots count for nothing.
 */
export function suggestNames(asked: string, names: readonly string[]): string[] {
  const wanted = simplify(asked);
  if (wanted === '') return [];
  const slips = Math.max(2, Math.floor(wanted.length / 3));
  return [...new Set(names)]
    .map((name) => ({ name, ...compare(wanted, simplify(name)) }))
    .filter(({ contains, edits }) => contains || edits <= slips)
    .sort((a, b) => Number(b.contains) - Number(a.contains) || a.edits - b.edits || a.name.localeCompare(b.name))
    .slice(0, 5)
    .map(({ name }) => name);
}

/** Compares with the whole name and with the id alone, whichever is nearer. */
function compare(wanted: string, name: string): { contains: boolean; edits: number } {
  const id = name.slice(name.indexOf('/') + 1);
  const wantedId = wanted.slice(wanted.indexOf('/') + 1);
  return {
    contains:
      name.startsWith(`${wanted}/`) ||
      (wantedId.length >= 2 && id.includes(wantedId)) ||
      (id.length >= 4 && wantedId.includes(id)),
    edits: Math.min(distance(wanted, name), distance(wanted, id)),
  };
}

function simplify(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_.]+/g, '-');
}
