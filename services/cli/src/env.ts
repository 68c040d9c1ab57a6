/** Whether a stream takes colours. NO_COLOR (https://no-color.org) decides before FORCE_COLOR, and both before the terminal. */
export function takesColour(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): boolean {
  const { NO_COLOR: no = '', FORCE_COLOR: force = '', TERM: terminal } = env;
  if (no !== '') return false;
  if (force !== '') return force !== '0' && force !== 'false';
  return stream.isTTY === true && terminal !== 'dumb';
}

/** Whether the cursor can be moved there. */
export function isFullTerminal(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}
