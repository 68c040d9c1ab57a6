import { once } from 'node:events';
import { connect } from 'node:net';
import { within } from './fuzz.ts';

/** What came back before the server closed, or had said all: nothing where it closed without a word. */
export interface RawAnswer {
  /** Of the first answer; undefined where there was none. */
  status: number | undefined;
  text: string;
}

export interface RawRequest {
  /** Sent one after the other, each as a write of its own. */
  pieces: readonly Buffer[];
  /** The client leaves its end open, and waits for an answer only. */
  keepOpen: boolean;
  /** The answer tells the length of a body that does not come. */
  bodiless: boolean;
}

const statusLine = /^HTTP\/1\.[01] (\d{3})/;
/** Said before the answer, on demand. */
const interim = /^HTTP\/1\.1 1\d\d [^]*?\r\n\r\n/;

/**
 * Writes bytes to a server, and resolves when its answer is whole, or when it closes.
 *
 * @throws when neither happens within five seconds
 */
export async function sendRaw(url: string, { pieces, keepOpen, bodiless }: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  // A server that refuses may close while we still write: what it said before counts.
  socket.on('error', () => undefined);
  let text = '';
  socket.setEncoding('latin1');
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  socket.on('data', (piece: string) => {
    text += piece;
    if (isWhole(text, bodiless)) resolve();
  });
  socket.on('end', resolve);
  socket.on('close', () => resolve());
  try {
    await within('a connection', once(socket, 'connect'));
    for (const piece of pieces) if (socket.writable) socket.write(piece);
    if (!keepOpen) socket.end();
    await within('an answer or the end of the connection', answered);
  } finally {
    socket.destroy();
  }
  text = text.replace(interim, '');
  const [, status] = statusLine.exec(text) ?? [];
  if (status === undefined && text !== '') throw new Error(`the answer is no HTTP: ${text.slice(0, 200)}`);
  return { status: status === undefined ? undefined : Number(status), text };
}

/** Whether an answer has come whole; a stream of events has answered with its head. */
function isWhole(text: string, bodiless: boolean): boolean {
  const answer = text.replace(interim, '');
  const end = answer.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const head = answer.slice(0, end);
  const body = answer.slice(end + 4);
  if (bodiless) return true;
  if (/^content-type: text\/event-stream/im.test(head) || /^HTTP\/1\.1 (204|304)/.test(head)) return true;
  const [, length] = /^content-length: (\d+)/im.exec(head) ?? [];
  if (length !== undefined) return body.length >= Number(length);
  // Else it ends with the connection.
  return /^transfer-encoding: chunked/im.test(head) && body.includes('0\r\n\r\n');
}
