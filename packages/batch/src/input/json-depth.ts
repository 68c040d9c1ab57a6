/**
 * Whether JSON has at most so many levels inside each other. Much of what reads and writes JSON on the way calls itself
 * for each level and runs out of stack after some thousand; this does not.
 */
export function isWithinDepth(value: unknown, levels: number): boolean {
  let level = [value];
  for (let depth = 0; depth <= levels; depth += 1) {
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []));
    if (level.length === 0) return true;
  }
  return false;
}
