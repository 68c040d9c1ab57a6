import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';

/** The extension of protocol 2026-07-28 by which a call may be answered with a task. */
export const tasksExtension = 'io.modelcontextprotocol/tasks';

const Declaration = z.object({
  [CLIENT_CAPABILITIES_META_KEY]: z.object({ extensions: z.object({ [tasksExtension]: z.looseObject({}) }) }),
});

/** Whether this very request declares it; what requests before it declared says nothing. */
export function declaresTasks({ mcpReq }: ServerContext): boolean {
  return Declaration.safeParse(mcpReq.envelope).success;
}

/** @throws MissingRequiredClientCapabilityError */
export function requireTasks(ctx: ServerContext): void {
  if (declaresTasks(ctx)) return;
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [tasksExtension]: {} } } });
}
