/** Messages of a line or a body, as far as JSON: a batch is several. */
function findMessages(text: string): Record<string, unknown>[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return [];
  }
  return (Array.isArray(parsed) ? parsed : [parsed]).filter(
    (message): message is Record<string, unknown> => typeof message === 'object' && message !== null,
  );
}

/** Ids under which a sender of these bytes waits for an answer. */
export function findAwaited(bytes: Buffer): (string | number)[] {
  const messages = bytes.toString('utf8').split('\n').flatMap(findMessages);
  return messages.flatMap(({ id, method }) =>
    method !== undefined && (typeof id === 'string' || typeof id === 'number') ? [id] : [],
  );
}

/** @throws where a line of stdout is no JSON-RPC, or blames us for a fault of the question */
export function requireJsonRpc(line: string): void {
  const [message] = findMessages(line);
  if (message?.['jsonrpc'] !== '2.0') throw new Error(`stdout carries what is no JSON-RPC: ${line.slice(0, 500)}`);
  if (isInternal(message)) throw new Error(`the front blames itself: ${line.slice(0, 500)}`);
}

/** The SDK gives this code to parameters that do not fit their schema too; then it lists what does not fit. */
function isInternal(message: Record<string, unknown>): boolean {
  const { error } = message as { error?: { code?: unknown; message?: unknown } }; // as JSON-RPC has it
  const isList = typeof error?.message === 'string' && /^\[\s*\{[^]*"path":/.test(error.message);
  return error?.code === -32_603 && !isList;
}
