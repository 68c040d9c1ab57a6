/** The line, from 1, at which a text stops being JSON; of one that only breaks off its last one. */
export function findFaultyLine(text: string): number {
  const lines = text.trimEnd().split('\n');
  // The engine tells a position of some faults only: the shortest beginning that nothing could make JSON ends with the faulty line.
  let [from, to] = [1, lines.length];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    // With its end of line, which no text within JSON has.
    if (mayBeContinued(`${lines.slice(0, middle).join('\n')}\n`)) from = middle + 1;
    else to = middle;
  }
  return from;
}

function mayBeContinued(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return true;
  } catch (error) {
    const { message } = error as SyntaxError; // all that it throws
    const position = / at position (\d+)/.exec(message)?.[1];
    return position === undefined ? message.includes('end of JSON input') : Number(position) >= beginning.length;
  }
}
