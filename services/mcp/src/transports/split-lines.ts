import { Transform } from 'node:stream';

const newline = 0x0a;
const tailBytes = 1024;

export interface SplitOptions {
  maxLineBytes: number;
  /** A line was longer and is left out; `tail` is its end. */
  onOversized: (tail: string) => void;
}

/**
 * Passes a stream on in whole lines, each as one chunk. The SDK's transport joins and searches what it has at every
 * chunk it gets: fed by the pipe, 64 KB at a time, a message with a 20 MB image blocks the process for seconds.
 */
export function createLineSplitter({ maxLineBytes, onOversized }: SplitOptions): Transform {
  let parts: Buffer[] = [];
  let size = 0;
  let tail: Buffer | undefined;

  const add = (part: Buffer) => {
    size += part.length;
    if (size <= maxLineBytes) return void parts.push(part);
    tail = Buffer.concat([...(tail === undefined ? parts.slice(-1) : [tail]), part].slice(-2)).subarray(-tailBytes);
    parts = [];
  };
  const take = (): Buffer | undefined => {
    const line = tail === undefined ? Buffer.concat(parts) : undefined;
    if (tail !== undefined) onOversized(tail.toString('utf8'));
    parts = [];
    size = 0;
    tail = undefined;
    return line;
  };

  return new Transform({
    // Each line stays a chunk of its own.
    readableObjectMode: true,
    transform(chunk: Buffer, _encoding, done) {
      let start = 0;
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
        add(chunk.subarray(start, end + 1));
        start = end + 1;
        const line = take();
        if (line !== undefined) this.push(line);
      }
      if (start < chunk.length) add(chunk.subarray(start));
      done();
    },
    flush(done) {
      done(null, size === 0 ? undefined : take());
    },
  });
}
