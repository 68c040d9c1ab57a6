/**
 * Histograms of milliseconds that SQL can join and that stay small: each bin is two letters, and how often where it is more than
 * once (`AaBc3`: `Aa` once, `Bc` three times). Joined one behind the other they are the histogram of all.
 *
 * Below 128 a bin is one value. Above, each doubling has 64 bins: a bin's middle is at most 1/128 (0.8 %) from every value in it.
 */
export type Bins = Map<number, number>;

const exactBelow = 128;
const perDoubling = 64;
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const most = 2 ** 31 - 1;

export function toBin(value: number): number {
  const whole = Math.min(most, Math.max(0, Math.round(value)));
  if (whole < exactBelow) return whole;
  const shift = 31 - Math.clz32(whole) - 6;
  return shift * perDoubling + (whole >> shift);
}

/** The middle of a bin. */
export function fromBin(bin: number): number {
  if (bin < exactBelow) return bin;
  const shift = Math.floor(bin / perDoubling) - 1;
  return (bin - shift * perDoubling) * 2 ** shift + 2 ** shift / 2;
}

export function addToBins(bins: Bins, bin: number, times = 1): void {
  bins.set(bin, (bins.get(bin) ?? 0) + times);
}

export function writeBins(bins: Bins): string {
  return [...bins]
    .toSorted(([left], [right]) => left - right)
    .map(([bin, times]) => `${letters[Math.floor(bin / 52)]}${letters[bin % 52]}${times === 1 ? '' : times}`)
    .join('');
}

/** Adds what `text` holds. By character codes: a report reads millions of them. */
export function readBins(bins: Bins, text: string): void {
  for (let at = 0; at < text.length;) {
    const bin = toPlace(text.charCodeAt(at)) * 52 + toPlace(text.charCodeAt(at + 1));
    at += 2;
    let times = 0;
    for (let digit = text.charCodeAt(at) - 48; digit >= 0 && digit <= 9; digit = text.charCodeAt(at) - 48) {
      times = times * 10 + digit;
      at += 1;
    }
    addToBins(bins, bin, times === 0 ? 1 : times);
  }
}

function toPlace(code: number): number {
  return code >= 97 ? code - 71 : code - 65;
}

/** Adds values that are written one by one, with commas between. */
export function readValues(bins: Bins, text: string): void {
  for (const value of text.split(',')) addToBins(bins, toBin(Number(value)));
}

/** By nearest rank: the smallest value that so many per cent of the values do not exceed; undefined where there is none. */
export function findPercentiles(bins: Bins, percents: readonly number[]): (number | undefined)[] {
  const sorted = [...bins].toSorted(([left], [right]) => left - right);
  const total = sorted.reduce((sum, [, times]) => sum + times, 0);
  return percents.map((percent) => {
    let upToHere = 0;
    const found = sorted.find(([, times]) => (upToHere += times) * 100 >= total * percent);
    return found === undefined ? undefined : fromBin(found[0]);
  });
}
