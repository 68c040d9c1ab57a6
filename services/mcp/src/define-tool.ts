import { type AccessScope, ModelManagerError, requireScope } from '@aimm/contracts';
import type { Caller, Manager } from '@aimm/manager';
import type { Logger } from '@aimm/runtime';
import type { CallToolResult, StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import type * as z from 'zod';
import { toErrorResult } from './errors.ts';
import { parseInput } from './input/parse-input.ts';
import { advertise } from './json-schema.ts';
import type { ProgressReporter, Steps } from './progress.ts';

/** What a tool works with: everything it may touch comes in here. */
export interface ToolContext {
  /** The use cases. Waits for the stack where it is still starting. */
  manager(): Promise<Manager>;
  caller: Caller;
  logger: Logger;
  /** Aborts when the client cancels this call. */
  cancelled: AbortSignal;
  /** Aborts when nobody reads the answer any more, cancelled or not. */
  gone: AbortSignal;
  /** Only where the client asked for progress. */
  progress: ProgressReporter | undefined;
  /** Epoch milliseconds after which a call without progress gives back the job's id in place of the answer. */
  handBackAt: number;
  /** Bytes of text that one request may carry. */
  maxPromptBytes: number;
  /** Only where a task may be the answer. */
  tasks: TaskAnswers | undefined;
  /** Whether whoever calls may have files of this machine read: it runs on the same one, as the same user. */
  mayReadFiles: boolean;
}

/** How a call is answered whose job goes on, where its client takes tasks. */
interface TaskAnswers {
  /** How long the tool waits for the end before, in milliseconds: short answers need no task. */
  afterMs: number;
  /** `plain`: what the client would be answered without tasks. Never rejects. */
  answer(jobId: string, plain: CallToolResult, manager: () => Promise<Manager>): Promise<CallToolResult>;
}

/** All four, always: what a client assumes of an absent one is the worst. */
interface ToolHints {
  /** Changes nothing. */
  readOnlyHint: boolean;
  /** What it changes may be lost. */
  destructiveHint: boolean;
  /** Calling twice does no more than calling once. */
  idempotentHint: boolean;
  /** Reaches out to providers. */
  openWorldHint: boolean;
}

/** What a tool answers: `text` for people and models, one block each; `structured` for programs. */
export interface ToolAnswer<S> {
  text: string[];
  structured: S;
  /** The id of the job that goes on, where this is not its end. */
  goesOn?: string;
}

interface ToolSpec<I extends z.ZodObject, O extends z.ZodObject> {
  name: string;
  title: string;
  description: string;
  input: I;
  output: O;
  annotations: ToolHints;
  /** Any of these lets an access token call it. */
  scopes: readonly AccessScope[];
  meta?: Record<string, unknown>;
  /** Its error is the end of what it asked for, and says so as a job that failed does. Not where it looks at a job that goes on. */
  failsAsJob?: boolean;
  /** How many steps its progress counts, where it counts; `later`: progress itself will say. */
  steps?: (input: z.output<I>) => Steps;
  /** @throws ModelManagerError; a JobError where a request exists */
  run(input: z.output<I>, context: ToolContext): Promise<ToolAnswer<z.input<O>>>;
}

/** What a call brings besides its arguments; progress begins when the number of steps is known. */
interface ToolCall extends Omit<ToolContext, 'progress' | 'manager'> {
  manager(progress: ProgressReporter | undefined): Promise<Manager>;
  startProgress(steps: Steps): ProgressReporter | undefined;
}

/** A tool as the server registers it. `call` never rejects. */
export interface Tool {
  name: string;
  title: string;
  description: string;
  inputSchema: StandardSchemaWithJSON;
  outputSchema: StandardSchemaWithJSON;
  annotations: ToolHints;
  scopes: readonly AccessScope[];
  meta: Record<string, unknown> | undefined;
  call: (args: unknown, call: ToolCall) => Promise<CallToolResult>;
}

/** Puts parsing before and formatting and errors after what a tool does. */
export function defineTool<I extends z.ZodObject, O extends z.ZodObject>(spec: ToolSpec<I, O>): Tool {
  const structured = spec.failsAsJob === true;
  return {
    name: spec.name,
    title: spec.title,
    description: spec.description,
    inputSchema: advertise(spec.input, 'input'),
    outputSchema: advertise(spec.output, 'output'),
    annotations: spec.annotations,
    scopes: spec.scopes,
    meta: spec.meta,
    call: async (args, call) => {
      let progress: ProgressReporter | undefined;
      try {
        requireScope(call.caller, spec.scopes, `The tool ${spec.name}`);
        const input = parseInput(spec.name, spec.input, args);
        progress = call.startProgress(spec.steps?.(input));
        const context: ToolContext = { ...call, progress, manager: () => call.manager(progress) };
        const answer = await spec.run(input, context);
        const plain = toResult(answer);
        if (answer.goesOn === undefined || call.tasks === undefined) return plain;
        return await call.tasks.answer(answer.goesOn, plain, () => context.manager());
      } catch (thrown) {
        return toErrorResult(thrown, { tool: spec.name, structured, logger: call.logger });
      } finally {
        await progress?.close();
      }
    },
  };
}

export function toResult({ text, structured }: ToolAnswer<Record<string, unknown>>): CallToolResult {
  return {
    content: text.filter((block) => block !== '').map((block) => ({ type: 'text', text: block })),
    structuredContent: structured,
  };
}

/** What a call that was cancelled before it had a job answers; nobody reads it. */
export function cancelledByClient(): ModelManagerError {
  return new ModelManagerError('cancelled', 'The client cancelled this call.');
}
