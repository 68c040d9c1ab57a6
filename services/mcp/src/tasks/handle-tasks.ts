import { requireScope, toModelManagerError } from '@aimm/contracts';
import type { Caller, Manager } from '@aimm/manager';
import { type McpServer, ProtocolError, ProtocolErrorCode, type ServerContext } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { formatError } from '../errors.ts';
import { cancelJob } from '../tools/cancel-job.ts';
import { getJob } from '../tools/get-job.ts';
import { readTaskJob } from './answer-with-task.ts';
import { requireTasks } from './extension.ts';
import { type TaskSettings, toTask } from './to-task.ts';

export interface TaskHandlerOptions extends TaskSettings {
  manager: () => Promise<Manager>;
  caller: Caller;
}

const params = z.looseObject({ taskId: z.string() });

/** Answers `tasks/get`, `tasks/update` and `tasks/cancel`; whatever they tell is read anew, so any front answers alike. */
export function handleTasks({ server }: McpServer, options: TaskHandlerOptions): void {
  server.setRequestHandler('tasks/get', { params }, ({ taskId }, ctx) =>
    answer('tasks/get', ctx, options, async (manager, caller) => {
      requireScope(caller, getJob.scopes, 'tasks/get');
      return { ...toTask(await readTaskJob(manager, caller, taskId), options) };
    }),
  );
  // No task of ours ever asks its client for anything, so whatever it is told is more than was asked, and left out.
  server.setRequestHandler('tasks/update', { params }, ({ taskId }, ctx) =>
    answer('tasks/update', ctx, options, async (manager, caller) => {
      requireScope(caller, getJob.scopes, 'tasks/update');
      await readTaskJob(manager, caller, taskId);
      return {};
    }),
  );
  server.setRequestHandler('tasks/cancel', { params }, ({ taskId }, ctx) =>
    answer('tasks/cancel', ctx, options, async (manager, caller) => {
      requireScope(caller, cancelJob.scopes, 'tasks/cancel');
      await manager.cancelJob(caller, taskId);
      return {};
    }),
  );
}

/** @throws ProtocolError: -32021 for a client that did not declare the extension, -32602 for a task that is not there */
async function answer<T>(
  method: string,
  ctx: ServerContext,
  { manager, caller, logger }: TaskHandlerOptions,
  work: (manager: Manager, caller: Caller) => Promise<T>,
): Promise<T> {
  requireTasks(ctx);
  try {
    return await work(await manager(), caller);
  } catch (thrown) {
    const error = toModelManagerError(thrown);
    const isUnknown = error.code === 'invalid_request';
    if (isUnknown) logger.debug({ code: error.code, method }, 'Task is unknown');
    else logger.warn({ err: error, method }, 'Task could not be answered');
    const code = isUnknown ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
    throw new ProtocolError(code, formatError(error.toShape()));
  }
}
