import fc from 'fast-check';
import { oddText, oddValue } from './odd-values.ts';

const methods = [
  'ping',
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/read',
  'resources/templates/list',
  'resources/subscribe',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'logging/setLevel',
  'server/discover',
  'subscriptions/listen',
  'tasks/get',
  'tasks/update',
  'tasks/cancel',
  'initialize',
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/roots/list_changed',
];
const tools = ['get_job', 'cancel_job', 'list_models', 'get_model_info', 'get_usage_stats', 'check_health', 'generate'];

const method = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...methods) }, { weight: 1, arbitrary: oddText });
const uri = fc.oneof(
  fc.constantFrom(
    'stats://usage',
    'config://providers',
    'config://keys',
    'config://../keys',
    'stats:',
    'STATS://usage',
  ),
  oddText,
);

/** What each request of a 2026 client brings. */
export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'fuzz', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
/** What one brings that takes tasks. */
export const tasksMeta = {
  ...modernMeta,
  'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
};
const taskId = fc.oneof(
  fc.constantFrom('gen_', 'cmp_', 'bat_').map((prefix) => `${prefix}0198c0de-0000-7000-8000-000000000001`),
  oddText,
  oddValue,
);
/** A question about a task that nobody has. */
export const taskQuestion = fc.record({
  method: fc.constantFrom('tasks/get', 'tasks/update', 'tasks/cancel'),
  params: fc.record({ taskId, inputResponses: oddValue }, { requiredKeys: [] }),
});
const meta = fc.oneof(
  fc.constantFrom(modernMeta, tasksMeta, { ...modernMeta, 'io.modelcontextprotocol/protocolVersion': '1999-01-01' }),
  fc.record({ progressToken: fc.oneof(fc.nat(9), oddValue) }),
  oddValue,
);

const params = fc.oneof(
  fc.record({ name: fc.oneof(fc.constantFrom(...tools), oddText), arguments: fc.oneof(fc.constant({}), oddValue) }),
  fc.record({ name: fc.constantFrom(...tools), arguments: fc.constant({}), _meta: meta }),
  fc.record({ uri }),
  fc.record({ requestId: fc.oneof(fc.nat(20), oddValue), reason: oddText }),
  fc.record({ cursor: oddText }),
  fc.record({ level: oddText, ref: oddValue, argument: oddValue }),
  fc.record({ protocolVersion: oddText, capabilities: oddValue, clientInfo: oddValue }),
  fc.record({ notifications: oddValue, _meta: meta }),
  fc.record({ taskId, inputResponses: oddValue, _meta: fc.oneof(fc.constant(tasksMeta), meta) }),
  fc.record({ _meta: meta }),
  oddValue,
);

const id = fc.oneof({ weight: 4, arbitrary: fc.nat(20) }, { weight: 1, arbitrary: oddValue });

/** JSON-RPC, or nearly. */
const message: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ jsonrpc: fc.constant('2.0'), id, method, params }) },
  { weight: 2, arbitrary: fc.record({ jsonrpc: fc.constant('2.0'), method, params }) },
  { weight: 1, arbitrary: fc.record({ jsonrpc: fc.constant('2.0'), id, method }) },
  { weight: 1, arbitrary: fc.record({ jsonrpc: fc.constant('2.0'), id, result: oddValue }) },
  {
    weight: 1,
    arbitrary: fc.record({ jsonrpc: fc.constant('2.0'), id, error: fc.record({ code: oddValue, message: oddText }) }),
  },
  { weight: 1, arbitrary: fc.record({ jsonrpc: oddValue, id, method, params }, { requiredKeys: [] }) },
  { weight: 1, arbitrary: oddValue },
);

export const jsonMessage: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: message.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.array(message, { maxLength: 4 }).map((batch) => JSON.stringify(batch)) },
  // Twice the same, as a client that repeats itself sends it.
  { weight: 1, arbitrary: message.map((value) => `${JSON.stringify(value)}\n${JSON.stringify(value)}`) },
);

/** How text goes wrong on its way: cut, with a byte too many, marked, in another encoding. */
const damage: fc.Arbitrary<(bytes: Buffer) => Buffer> = fc.oneof(
  fc.nat(10_000).map((at) => (bytes: Buffer) => bytes.subarray(0, bytes.length === 0 ? 0 : at % bytes.length)),
  fc.tuple(fc.nat(10_000), fc.uint8Array({ maxLength: 3 })).map(([at, more]) => (bytes: Buffer) => {
    const place = at % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, place), more, bytes.subarray(place)]);
  }),
  fc.constantFrom(
    (bytes: Buffer) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]),
    (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('\r')]),
    (bytes: Buffer) => Buffer.from(bytes.toString('utf8'), 'utf16le'),
    (bytes: Buffer) => Buffer.concat([Buffer.from('\r\n\r\n  \t'), bytes]),
    (bytes: Buffer) => Buffer.from(`Content-Length: ${bytes.length}\r\n\r\n${bytes.toString('utf8')}`),
  ),
);

const deep = fc
  .tuple(fc.constantFrom(1_000, 10_000, 100_000), fc.constantFrom('[', '{"a":', '[{"a":'), fc.boolean())
  .map(([depth, open, closed]) => {
    const close = open === '[' ? ']' : open === '{"a":' ? '}' : '}]';
    return open.repeat(depth) + (closed ? `1${close.repeat(depth)}` : '');
  });

/** Well-formed around something that is nested too deeply for anything that calls itself. */
const deepInside = deep.map((nested) =>
  [
    '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"generate","arguments":{"prompt":"Hi","response_format":',
    `{"type":"json_schema","schema":{"x":${nested}}}}}}`,
  ].join(''),
);

/** Bytes that arrive where one message is expected. */
export const rawMessage: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 8, arbitrary: jsonMessage.map((text) => Buffer.from(text)) },
  { weight: 4, arbitrary: fc.tuple(jsonMessage, damage).map(([text, spoil]) => spoil(Buffer.from(text))) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.oneof(deep, deepInside).map((text) => Buffer.from(text)) },
);
