import type { Caller, Manager } from '@aimm/manager';
import type { CallToolResult, JSONRPCMessage, McpServer } from '@modelcontextprotocol/server';
import { type Task, type TaskSettings, toTask } from './to-task.ts';
import { toToolResult } from './to-tool-result.ts';

/** A job as its owner sees it. A batch's results are not part of its task. @throws ModelManagerError */
export function readTaskJob(manager: Manager, caller: Caller, jobId: string) {
  return manager.getJob(caller, jobId, jobId.startsWith('bat_') ? { limit: 1 } : {});
}

/**
 * The answer to a call whose job goes on: its task, or its end where that has come meanwhile. Reading the job first is
 * what makes sure that `tasks/get` will find it; where it cannot be read, the answer is the one without tasks.
 */
export async function answerWithTask(
  jobId: string,
  plain: CallToolResult,
  { manager, caller, ...settings }: TaskSettings & { manager: () => Promise<Manager>; caller: Caller },
): Promise<CallToolResult> {
  const { logger } = settings;
  try {
    const view = await readTaskJob(await manager(), caller, jobId);
    const ended = toToolResult(view, logger);
    if (ended !== undefined) return ended;
    const task: Task = toTask(view, settings);
    // The SDK demands of every answer to `tools/call` what a tool's result has; `sendTasks` takes that off again.
    return { ...plain, ...task, resultType: 'task' };
  } catch (error) {
    logger.warn({ err: error, jobId }, 'A call could not be answered with a task');
    return plain;
  }
}

/** What is sent for a task is the task alone: clients tell the two kinds of answers apart by their members, too. */
export function sendTasks({ server }: McpServer): void {
  const connect = server.connect.bind(server);
  server.connect = (transport) => {
    const send = transport.send.bind(transport);
    transport.send = (message, options) => send(withoutToolResult(message), options);
    return connect(transport);
  };
}

function withoutToolResult(message: JSONRPCMessage): JSONRPCMessage {
  if (!('result' in message) || message.result['resultType'] !== 'task') return message;
  const { content: _content, structuredContent: _structured, ...result } = message.result;
  return { ...message, result };
}
