/** Fields of a body that mean the same here under another name. Those under their own name stay. */
const renamed: Record<string, string> = { max_tokens: 'max_output_tokens', max_completion_tokens: 'max_output_tokens' };
/** Which model answers and how it comes back is the batch's affair; a vendor keeps nothing for us. */
const ignored = new Set(['model', 'stream', 'stream_options', 'store', 'n', 'metadata']);

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
    if (ignored.has(name)) continue;
    if (name === 'response_format') input[name] = convertFormat(value);
    else if (name === 'tools' && Array.isArray(value)) input[name] = value.map(convertTool);
    else if (name === 'tool_choice') input[name] = unwrapFunction(value);
    else input[renamed[name] ?? name] = value;
  }
  return { input };
}

function convertMessage(message: unknown): unknown {
  if (!isObject(message)) return message;
  const { role, content, tool_calls: calls, ...rest } = message;
  const parts = Array.isArray(content) ? content.map(convertPart) : content;
  const own = { ...rest, role: role === 'developer' ? 'system' : role };
  if (!Array.isArray(calls)) return { ...own, content: parts };
  const said = typeof parts === 'string' && parts !== '' ? [{ type: 'text', text: parts }] : [];
  return { ...own, content: [...(Array.isArray(parts) ? parts : said), ...calls.map(convertCall)] };
}

function convertPart(part: unknown): unknown {
  if (!isObject(part) || part['type'] !== 'image_url') return part;
  const image = part['image_url'];
  return { type: 'image', url: isObject(image) ? image['url'] : image };
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
  return isObject(inner) ? { type: 'json_schema', schema: inner['schema'], name: inner['name'] } : format;
}

function convertTool(tool: unknown): unknown {
  if (!isObject(tool) || !isObject(tool['function'])) return tool;
  const { name, description, parameters = { type: 'object' } } = tool['function'];
  return { name, description, parameters };
}

function unwrapFunction(choice: unknown): unknown {
  return isObject(choice) && isObject(choice['function']) ? choice['function'] : choice;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
