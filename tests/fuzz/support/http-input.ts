import fc from 'fast-check';
import { jsonMessage, rawMessage } from './messages.ts';
import { oddText } from './odd-values.ts';
import type { RawRequest } from './raw-http.ts';

/** One request as bytes, with the lies in its head that a client, a page or a stranger may tell. */
export interface HttpInput extends RawRequest {
  method: string;
  path: string;
}

type Header = [name: string, value: string];

const oddMethods = ['PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'post', 'FOO', 'PRI', '', ' '];

/** Text that may stand in a head: what may not is sent as well, now and then. */
const headText = fc.oneof(
  { weight: 12, arbitrary: oddText.map((text) => encodeURIComponent(text.toWellFormed()).slice(0, 2_000)) },
  { weight: 1, arbitrary: oddText.map((text) => text.slice(0, 2_000)) },
);

/** Exactly what a head needs, and what it should never hold. `host` and `token`: of the server that is asked. */
function headers(host: string, token: string): fc.Arbitrary<Header[]> {
  const one = (name: string, ...values: string[]): fc.Arbitrary<Header> =>
    fc
      .oneof({ weight: 3, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: headText })
      .map((value): Header => [name, value]);
  const good = fc.constant<Header[]>([
    ['Host', host],
    ['Content-Type', 'application/json'],
    ['Accept', 'application/json, text/event-stream'],
    ['Authorization', `Bearer ${token}`],
  ]);
  const odd = fc.oneof(
    one('Host', host, 'localhost', 'evil.example', `${host}.evil.example`, '[::1]', '', '@', 'a:b:c'),
    one('Origin', `http://${host}`, 'http://localhost:1', 'https://evil.example', 'null', 'file://', 'http://[', ''),
    one('Accept', '*/*', 'text/html', 'application/json', 'text/event-stream', 'q=,;;', ''),
    one(
      'Content-Type',
      'text/plain',
      'application/json; charset=utf-16',
      'application/json; charset=bogus',
      'multipart/form-data',
      'application/x-www-form-urlencoded',
      'application/json;;=',
      '',
    ),
    one('Content-Encoding', 'gzip', 'br', 'deflate', 'bogus', 'identity'),
    one(
      'Authorization',
      'Bearer',
      'Bearer ',
      'Basic AAAA',
      `bearer ${token}`,
      `Bearer ${'x'.repeat(7_000)}`,
      `Bearer ${token}x`,
    ),
    one(
      'Cookie',
      'aimm_dashboard=',
      'aimm_dashboard=9.9',
      `aimm_dashboard=99999999999999.${'A'.repeat(43)}`,
      '=;=;',
      ';'.repeat(500),
    ),
    one('Mcp-Session-Id', '0', '__proto__', '../..', 'x'.repeat(5_000)),
    one('Mcp-Protocol-Version', '2026-07-28', '2025-11-25', '2024-10-07', '1999-01-01', '__proto__', ''),
    one('Mcp-Method', 'tools/call', 'ping', ''),
    one('Mcp-Name', 'generate', '=?base64?AAAA?=', ''),
    one('Last-Event-ID', '0', '-1', '*'),
    one('Expect', '100-continue', '200-ok'),
    one('Connection', 'close', 'keep-alive', 'upgrade', 'x'),
    one('Upgrade', 'websocket', 'h2c'),
    one('Range', 'bytes=0-1', 'bytes=-99999999999', 'bytes=9-1,', 'x'),
    one('If-None-Match', '*', '"x"'),
    one('X-Forwarded-Host', 'evil.example'),
    one('X-HTTP-Method-Override', 'DELETE'),
    fc.tuple(headText, headText).map(([name, value]): Header => [name, value]),
    fc.constantFrom<Header>(
      ['X-Long', 'x'.repeat(20_000)],
      ['X-Null', 'a\0b'],
      ['X-Split', 'a\r\nX-More: b'],
      ['Bad Name', 'x'],
      [':', ''],
    ),
  );
  // Later ones stand in for, or beside, the good one of the same name.
  return fc
    .tuple(good, fc.oneof(fc.constant([]), fc.array(odd, { maxLength: 3 })), fc.boolean())
    .map(([base, more, replace]) => {
      const names = new Set(more.map(([name]) => name));
      return [...(replace ? base.filter(([name]) => !names.has(name)) : base), ...more];
    });
}

/** How the body is told of, rightly or not. */
const framing = fc.oneof(
  { weight: 12, arbitrary: fc.constant('length' as const) },
  { weight: 3, arbitrary: fc.constant('chunked' as const) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'none',
      'too-long',
      'too-short',
      'garbage',
      'negative',
      'huge',
      'two',
      'both',
      'bad-chunk',
      'open-chunk',
    ),
  },
);
type Framing = typeof framing extends fc.Arbitrary<infer F> ? F : never;

function frame(kind: Framing, body: Buffer): { head: Header[]; body: Buffer } {
  const chunk = (size: string) => Buffer.concat([Buffer.from(`${size}\r\n`), body, Buffer.from('\r\n')]);
  const size = body.length.toString(16);
  const length = (value: string): Header => ['Content-Length', value];
  const chunked: Header = ['Transfer-Encoding', 'chunked'];
  const end = Buffer.from('0\r\n\r\n');
  switch (kind) {
    case 'length':
      return { head: [length(String(body.length))], body };
    case 'chunked':
      return { head: [chunked], body: body.length === 0 ? end : Buffer.concat([chunk(size), end]) };
    case 'none':
      return { head: [], body };
    case 'too-long':
      return { head: [length(String(body.length + 10))], body };
    case 'too-short':
      return { head: [length(String(body.length >> 1))], body };
    case 'garbage':
      return { head: [length('12abc')], body };
    case 'negative':
      return { head: [length('-1')], body };
    case 'huge':
      return { head: [length('99999999999999999999')], body };
    case 'two':
      return { head: [length(String(body.length)), length('3')], body };
    case 'both':
      return { head: [length(String(body.length)), chunked], body: Buffer.concat([chunk(size), end]) };
    case 'bad-chunk':
      return { head: [chunked], body: Buffer.concat([chunk('zz'), end]) };
    case 'open-chunk':
      return { head: [chunked], body: chunk(size) };
  }
}

export interface HttpTarget {
  host: string;
  token: string;
}

/** What a server is asked. */
export interface HttpQuestions {
  methods: readonly string[];
  path: fc.Arbitrary<string>;
  /** Beside JSON-RPC and bytes. */
  body?: fc.Arbitrary<string>;
}

export function httpInput({ host, token }: HttpTarget, questions: HttpQuestions): fc.Arbitrary<HttpInput> {
  const path = fc.oneof(
    { weight: 5, arbitrary: questions.path },
    {
      weight: 2,
      arbitrary: fc.tuple(questions.path, headText).map(([start, end]) => `${start}/${end}`),
    },
    { weight: 1, arbitrary: fc.tuple(questions.path, headText).map(([start, end]) => `${start}?${end}`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '*',
        '',
        '//',
        '/%',
        '/%ff',
        '/..%2f..%2fetc/passwd',
        'http://evil.example/mcp',
        '/\0',
        `/${'a'.repeat(20_000)}`,
        '/mcp/../healthz',
        '/?a[b][c][d]=1&__proto__[x]=1',
      ),
    },
  );
  const body = fc.oneof(
    { weight: 4, arbitrary: jsonMessage.map((text) => Buffer.from(text)) },
    { weight: 3, arbitrary: rawMessage },
    { weight: 1, arbitrary: fc.constant(Buffer.alloc(0)) },
    ...(questions.body === undefined
      ? []
      : [{ weight: 8, arbitrary: questions.body.map((text) => Buffer.from(text)) }]),
  );
  const whole = fc.record({
    method: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom(...questions.methods) },
      { weight: 1, arbitrary: fc.constantFrom(...oddMethods) },
    ),
    path,
    headers: headers(host, token),
    framing,
    body,
    version: fc.oneof(
      { weight: 30, arbitrary: fc.constant('HTTP/1.1') },
      { weight: 1, arbitrary: fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'HTTP/9', '', 'X') },
    ),
    /** Of a hundred: where the client stops. */
    cut: fc.oneof({ weight: 15, arbitrary: fc.constant(100) }, { weight: 1, arbitrary: fc.nat(100) }),
    pieces: fc.constantFrom(1, 1, 1, 2, 7),
    times: fc.constantFrom(1, 1, 1, 1, 3),
    keepOpen: fc.boolean(),
  });
  return whole.map(({ cut, pieces, times, keepOpen, version, ...request }) => {
    const framed = frame(request.framing, request.body);
    const lines = [
      `${request.method} ${request.path} ${version}`,
      ...[...request.headers, ...framed.head].map(([name, value]) => `${name}: ${value}`),
    ];
    const once = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), framed.body]);
    const all = Buffer.concat(Array.from({ length: times }, () => once));
    const bytes = all.subarray(0, Math.ceil((all.length * cut) / 100));
    const size = Math.max(1, Math.ceil(bytes.length / pieces));
    const parts = Array.from({ length: pieces }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
    // Whoever says less than was promised has to end it: waiting for the rest is right.
    const isComplete = cut === 100 && ['length', 'chunked'].includes(request.framing);
    const { method, path } = request;
    return { method, path, pieces: parts, keepOpen: keepOpen && isComplete, bodiless: method === 'HEAD' };
  });
}
