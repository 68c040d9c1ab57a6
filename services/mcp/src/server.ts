import { hasScope, ModelManagerError } from '@aimm/contracts';
import type { Caller, Manager } from '@aimm/manager';
import type { Logger } from '@aimm/runtime';
import { McpServer, type McpServerFactory, type ServerContext } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { watchCancellation } from './cancellation.ts';
import { cancelledByClient, type Tool } from './define-tool.ts';
import { endWithin } from './follow.ts';
import { instructions } from './instructions.ts';
import { createProgressReporter, type ProgressReporter } from './progress.ts';
import { advertise } from './json-schema.ts';
import { prompts } from './prompts/index.ts';
import { registerPrompt } from './register-prompt.ts';
import { registerResource, registerTemplate } from './register-resource.ts';
import { resources, resourceTemplates } from './resources/index.ts';
import { answerWithTask, sendTasks } from './tasks/answer-with-task.ts';
import { declaresTasks, tasksExtension } from './tasks/extension.ts';
import { handleTasks } from './tasks/handle-tasks.ts';
import { tools } from './tools/index.ts';
import { findCaller } from './transports/bearer.ts';

/** How patient clients are; tests shorten it. All in milliseconds. */
interface Timing {
  /** After this a blocking call without progress gives back its job's id. Clients cut off from 60 s on. */
  handBackMs: number;
  /** Longest silence where progress was asked for. */
  heartbeatMs: number;
  /** Shortest time between two pieces of text. */
  textIntervalMs: number;
  /** After this a call that waits for the stack says so. */
  slowStartMs: number;
  /** After this a call is answered with a task, where the client takes one. */
  taskAfterMs: number;
}

const defaultTiming: Timing = {
  handBackMs: 45_000,
  heartbeatMs: 15_000,
  textIntervalMs: 100,
  slowStartMs: 2000,
  taskAfterMs: 3000,
};

export interface McpServerOptions {
  /** Called for the first time by the first call that needs it; every call afterwards must give the same one. */
  manager: () => Promise<Manager>;
  /** Whoever asks through this server, where a request brings no caller of its own (over HTTP each does). */
  caller: Caller;
  version: string;
  logger: Logger;
  /** Bytes of text that one request may carry. */
  maxPromptBytes: number;
  /** Default: no. */
  mayReadFiles?: boolean;
  /** How long batches are kept that have ended. Default: until somebody deletes them. */
  batchRetentionDays?: number | undefined;
  timing?: Partial<Timing>;
}

/** The list never changes while a process lives, and is the same for everyone who may call all of it. */
const listHint = { ttlMs: 3_600_000, cacheScope: 'public' } as const;
/** What a token of fewer scopes is shown is its own. */
const ownListHint = { ...listHint, cacheScope: 'private' } as const;

/**
 * A factory of servers, each for one connection or one HTTP request, for `serveStdio` and `createMcpHandler`.
 * Whatever needs no model (discovery, lists) is answered without the manager.
 */
export function createMcpServer(given: McpServerOptions): McpServerFactory {
  const timing = { ...defaultTiming, ...given.timing };
  return ({ era, requestInfo, authInfo }) => {
    const options = { ...given, caller: findCaller(authInfo) ?? given.caller };
    const allowed = tools.filter(({ scopes }) => hasScope(options.caller, scopes));
    const hint = allowed.length === tools.length ? listHint : ownListHint;
    const server = new McpServer(
      { name: 'ai-model-manager', title: 'AI Model Manager', version: options.version },
      {
        instructions,
        capabilities: {
          tools: { listChanged: false },
          resources: { listChanged: false },
          prompts: { listChanged: false },
          ...(era === 'modern' && { extensions: { [tasksExtension]: {} } }),
        },
        cacheHints: {
          'tools/list': hint,
          'resources/list': hint,
          'resources/templates/list': hint,
          'prompts/list': hint,
          'server/discover': hint,
        },
      },
    );
    if (era === 'modern') {
      sendTasks(server);
      const called = findCalledTool(requestInfo);
      if (called !== undefined) {
        registerTool(server, { ...called, ...unlisted }, era, options, timing);
        return server;
      }
      handleTasks(server, options);
      // Clients ask this often, and of such a server nothing else.
      if (requestInfo?.headers.get('mcp-method')?.startsWith('tasks/') === true) return server;
    }
    for (const tool of tools) registerTool(server, tool, era, options, timing);
    if (allowed.length < tools.length) listOnly(server, allowed);
    for (const resource of resources) registerResource(server, resource, options);
    for (const template of resourceTemplates) registerTemplate(server, template, options);
    for (const prompt of prompts) registerPrompt(server, prompt, options);
    return server;
  };
}

/**
 * The tool that an HTTP request calls, by the headers that the SDK holds equal to its body before it asks for a server.
 * Such a server answers this one call, so it needs no other tool; registering all of them takes longer than the call.
 */
function findCalledTool(request: Request | undefined): Tool | undefined {
  if (request?.headers.get('mcp-method') !== 'tools/call') return undefined;
  const name = request.headers.get('mcp-name');
  return tools.find((tool) => tool.name === name);
}

/** A token is shown what it may call. The rest stays registered, so that a call to it is told which scope it lacks. */
function listOnly(server: McpServer, allowed: readonly Tool[]): void {
  const listed = allowed.map(({ name, title, description, inputSchema, outputSchema, annotations, meta }) => ({
    name,
    title,
    description,
    inputSchema: toObjectSchema(inputSchema),
    outputSchema: toObjectSchema(outputSchema),
    annotations,
    ...(meta && { _meta: meta }),
  }));
  server.server.setRequestHandler('tools/list', () => ({ tools: listed }));
}

function toObjectSchema(schema: Tool['inputSchema']): { type: 'object' } {
  return { ...schema['~standard'].jsonSchema.input({ target: 'draft-2020-12' }), type: 'object' };
}

/** Schemas are for lists; the SDK would walk through them at each call. */
const unlisted = { inputSchema: advertise(z.object({}), 'input'), outputSchema: undefined };

function registerTool(
  server: McpServer,
  tool: Omit<Tool, 'outputSchema'> & { outputSchema: Tool['outputSchema'] | undefined },
  era: 'legacy' | 'modern',
  { manager, caller, logger, maxPromptBytes, mayReadFiles = false, batchRetentionDays }: McpServerOptions,
  timing: Timing,
): void {
  const { name, title, description, inputSchema, outputSchema, annotations, meta, call } = tool;
  const config = {
    title,
    description,
    inputSchema,
    ...(outputSchema && { outputSchema }),
    annotations,
    ...(meta && { _meta: meta }),
  };
  server.registerTool(name, config, async (args: unknown, ctx: ServerContext) => {
    const handBackAt = Date.now() + timing.handBackMs;
    const { cancelled, gone, release } = watchCancellation(ctx, era);
    const token = ctx.mcpReq._meta?.progressToken;
    const { notify } = ctx.mcpReq;
    const answer = await call(args, {
      caller,
      logger,
      cancelled,
      gone,
      handBackAt,
      maxPromptBytes,
      mayReadFiles,
      tasks:
        era === 'modern' && declaresTasks(ctx)
          ? {
              afterMs: timing.taskAfterMs,
              answer: (jobId, plain, reach) =>
                answerWithTask(jobId, plain, { manager: reach, caller, logger, batchRetentionDays }),
            }
          : undefined,
      manager: (progress) => reachManager(manager, progress, { gone, handBackAt, slowStartMs: timing.slowStartMs }),
      startProgress: (steps) =>
        token === undefined ? undefined : createProgressReporter({ ...timing, token, notify, logger, steps }),
    });
    release();
    return answer;
  });
}

/** Waits for the stack as long as the client does, and says so where it takes long. */
async function reachManager(
  manager: () => Promise<Manager>,
  progress: ProgressReporter | undefined,
  { gone, handBackAt, slowStartMs }: { gone: AbortSignal; handBackAt: number; slowStartMs: number },
): Promise<Manager> {
  const notice = setTimeout(() => progress?.status('Starting the local stack…'), slowStartMs);
  const patienceMs = progress === undefined ? handBackAt - Date.now() : undefined;
  try {
    const reached = await endWithin<Manager | undefined>(manager(), undefined, patienceMs, gone);
    if (reached !== undefined) return reached;
  } finally {
    clearTimeout(notice);
  }
  if (gone.aborted) throw cancelledByClient();
  throw new ModelManagerError('unavailable', 'The local stack is still starting.', {
    hint: 'Nothing was asked yet. Call again in a few seconds.',
  });
}
