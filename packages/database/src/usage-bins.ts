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

export function addBins(bins: Bins, more: Bins): void {
  for (const [bin, times] of more) addToBins(bins, bin, times);
}

export function writeBins(bins: Bins): string {
  let text = '';
  for (const [bin, times] of bins) text += `${pairs[bin]}${times === 1 ? '' : times}`;
  return text;
}

const pairs = Array.from({ length: 52 * 52 }, (_, bin) => `${letters[Math.floor(bin / 52)]}${letters[bin % 52]}`);

/** By character codes, without a call for each bin: a report reads millions of letters. */
export function readBins(text: string): Bins {
  // Texts of roll-ups are short, those that a report has joined are long.
  const counts = text.length < 256 ? undefined : new Float64Array(52 * 52);
  const bins: Bins = new Map();
  const { length } = text;
  for (let at = 0; at < length;) {
    const bin = (places[text.charCodeAt(at)] ?? 0) * 52 + (places[text.charCodeAt(at + 1)] ?? 0);
    at += 2;
    let times = 0;
    // Digits come before letters.
    for (let code = 0; at < length && (code = text.charCodeAt(at)) < 58; at += 1) times = times * 10 + code - 48;
    if (times === 0) times = 1;
    if (counts === undefined) addToBins(bins, bin, times);
    else counts[bin] = (counts[bin] ?? 0) + times;
  }
  return counts === undefined ? bins : toBins(counts);
}

const places = Uint8Array.from({ length: 128 }, (_, code) => Math.max(0, letters.indexOf(String.fromCharCode(code))));

/** Of values that are written one by one, with commas between. */
export function readValues(text: string): Bins {
  const counts = new Float64Array(52 * 52);
  for (const value of text.split(',')) {
    const bin = toBin(Number(value));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return toBins(counts);
}

function toBins(counts: Float64Array): Bins {
  const bins: Bins = new Map();
  for (let bin = 0; bin < counts.length; bin += 1) {
    const times = counts[bin] ?? 0;
    if (times > 0) bins.set(bin, times);
  }
  return bins;
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
