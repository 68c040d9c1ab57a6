/** Fields of a body that mean the same here under another name. Those under their own name stay. */
const renamed: Record<string, string> = { max_tokens: 'max_output_tokens', max_completion_tokens: 'max_output_tokens' };
/** Which model answers and how it comes back is the batch's affair; a vendor keeps nothing for us. */
const ignored = new Set(['model', 'stream', 'stream_options', 'store', 'n', 'metadata']);
/** Said without need: so it is anyway. Whatever else there is no field for stays, and is refused by its name. */
const usual: Readonly<Record<string, unknown>> = { parallel_tool_calls: true, logprobs: false };

export type Converted = { input: Record<string, unknown> } | { fault: string };

/** Whether it is a line of OpenAI's batch files: `custom_id`, `method`, `url`, `body`. */
export function isOpenAiLine(value: unknown): value is Record<string, unknown> {
  return isObject(value) && 'custom_id' in value && 'body' in value;
}

/** Such a line as our own form. The body's `model` is not taken: the batch says which are asked. */
export function convertOpenAiLine(line: Record<string, unknown>): Converted {
  const { custom_id: id, method, url, body, ...rest } = line;
  const [further] = Object.keys(rest);
  if (further !== undefined) return { fault: `${further}: unknown field beside custom_id, method, url and body` };
  if (method !== undefined && method !== 'POST') return { fault: 'method: expected "POST"' };
  if (url !== undefined && url !== '/v1/chat/completions')
    return { fault: 'url: expected "/v1/chat/completions"; requests of other kinds are not read' };
  if (!isObject(body)) return { fault: 'body: expected an object' };
  const { messages, n, ...fields } = body;
  if (n !== undefined && n !== 1)
    return { fault: 'body.n: expected 1. Give the batch a variant for each further answer' };
  if (!Array.isArray(messages)) return { fault: 'body.messages: required. Expected a list' };
  const input: Record<string, unknown> = { id, messages: messages.map(convertMessage) };
  for (const [name, value] of Object.entries(fields)) {
    if (ignored.has(name) || value === null || usual[name] === value) continue;
    if (name === 'response_format') input[name] = convertFormat(value);
    else if (name === 'tools' && Array.isArray(value)) input[name] = value.map(convertTool);
    else if (name === 'tool_choice') input[name] = unwrapFunction(value);
    else input[renamed[name] ?? name] = value;
  }
  return { input };
}

function convertMessage(message: unknown): unknown {
  if (!isObject(message)) return message;
  const { role, content, tool_calls: calls, ...more } = message;
  const rest = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== null));
  const parts = Array.isArray(content) ? content.map(convertPart) : content;
  const own = { ...rest, role: role === 'developer' ? 'system' : role };
  if (!Array.isArray(calls)) return { ...own, content: parts };
  const said = typeof parts === 'string' && parts !== '' ? [{ type: 'text', text: parts }] : [];
  return { ...own, content: [...(Array.isArray(parts) ? parts : said), ...calls.map(convertCall)] };
}

function convertPart(part: unknown): unknown {
  if (!isObject(part) || part['type'] !== 'image_url') return part;
  const { image_url: image } = part;
  if (!isObject(image)) return { type: 'image', url: image };
  const { detail = 'auto', ...rest } = image;
  return { type: 'image', ...rest, ...(detail !== 'auto' && { detail }) };
}

function convertCall(call: unknown): unknown {
  if (!isObject(call) || !isObject(call['function'])) return call;
  const { name, arguments: text } = call['function'];
  return { type: 'tool_call', id: call['id'], name, arguments: parseArguments(text) };
}

function parseArguments(text: unknown): unknown {
  try {
    return typeof text === 'string' ? JSON.parse(text) : text;
  } catch {
    return text; // not an object: the fault names its place
  }
}

function convertFormat(format: unknown): unknown {
  if (!isObject(format)) return format;
  if (format['type'] === 'json_object') return 'json';
  if (format['type'] === 'text') return 'text';
  const inner = format['json_schema'];
  if (!isObject(inner)) return format;
  // Where the schema allows it, it is asked for all the same.
  const { strict: _strict, ...rest } = inner;
  return { type: 'json_schema', ...rest };
}

function convertTool(tool: unknown): unknown {
  if (!isObject(tool) || !isObject(tool['function'])) return tool;
  const { strict, parameters = { type: 'object' }, ...rest } = tool['function'];
  return { ...rest, parameters, ...(strict === true && { strict }) };
}

function unwrapFunction(choice: unknown): unknown {
  return isObject(choice) && isObject(choice['function']) ? choice['function'] : choice;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
