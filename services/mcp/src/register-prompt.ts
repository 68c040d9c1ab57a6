import type { Caller, Manager } from '@aimm/manager';
import type { Logger } from '@aimm/runtime';
import { completable, type McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import type { Prompt } from './define-prompt.ts';

interface PromptContext {
  manager: () => Promise<Manager>;
  caller: Caller;
  logger: Logger;
}

type Complete = NonNullable<Prompt['arguments'][string]['complete']>;

export function registerPrompt(server: McpServer, prompt: Prompt, context: PromptContext): void {
  const { name, title, description, write } = prompt;
  const fields = Object.entries(prompt.arguments).map(([argument, { description: says, required, complete }]) => {
    const text = z.string().max(100_000).describe(says);
    const field =
      complete === undefined ? text : completable(text, (begun) => completeWith(complete, begun, name, context));
    return [argument, required ? field : field.optional()] as const;
  });
  const argsSchema = z.object(Object.fromEntries(fields));
  server.registerPrompt(name, { title, description, argsSchema }, (filled) => ({
    description,
    messages: [{ role: 'user', content: { type: 'text', text: write(withoutEmpty(filled)) } }],
  }));
}

/** A form's field that was left empty was not filled in. */
function withoutEmpty(filled: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(filled).filter(([, value]) => value !== undefined && value.trim() !== ''));
}

/** Nobody is told that there is nothing to complete with: typing goes on. */
async function completeWith(
  complete: Complete,
  begun: string,
  prompt: string,
  { manager, caller, logger }: PromptContext,
): Promise<string[]> {
  if (typeof complete !== 'function') return complete.filter((one) => one.startsWith(begun.trim().toLowerCase()));
  try {
    return await complete(await manager(), caller, begun);
  } catch (error) {
    logger.warn({ err: error, prompt }, 'An argument could not be completed');
    return [];
  }
}
