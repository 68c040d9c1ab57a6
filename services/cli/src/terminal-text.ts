/** Everything that steers a terminal (ESC, CSI, BEL, backspace, carriage return …), but no tab and no line break. */
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** A model's text as it may be shown on a terminal: it must not move the cursor, set a title or hide what follows. */
export function toTerminalText(text: string): string {
  return text.replaceAll(controls, '');
}

/** What others wrote, as a stream may have it: it steers no terminal, and comes as it is through a pipe. */
export function toShown(text: string, stream: { isTTY?: boolean } = process.stdout): string {
  return stream.isTTY === true ? toTerminalText(text) : text;
}
