import { ReasoningEffort } from '@aimm/contracts';
import * as z from 'zod';
import { ImageInput } from './images.ts';
import { JsonObjectInput } from './json-object.ts';
import { KeptText } from './kept-text.ts';
import { MessageInput } from './messages.ts';

/** What is asked: exactly one of the two, see {@link requireOneQuestion}. */
export const questionFields = {
  prompt: z.string().min(1).optional().describe('The question, as one text. Give this or messages.'),
  messages: z
    .array(MessageInput)
    .min(1)
    .optional()
    .describe('A whole conversation in place of prompt; the last turn is answered.'),
};

/** How to answer. What a model does not take becomes a warning in the answer. */
export const settingFields = {
  system: z.string().min(1).optional().describe('System instructions.'),
  max_output_tokens: z.int().positive().optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  stop: z
    .union([KeptText, z.array(KeptText).max(16)], 'expected a text or a list of up to 16 texts')
    .optional()
    .describe('Text, or up to 16 texts, at which the answer ends.'),
  seed: z.int().optional(),
  response_format: z
    .union(
      [
        z.enum(['text', 'json']),
        z.strictObject({ type: z.literal('json_schema'), schema: JsonObjectInput, name: z.string().optional() }),
      ],
      'expected "text", "json" or {"type": "json_schema", "schema": {…}}',
    )
    .optional()
    .describe('"json", or a JSON Schema that the answer must satisfy: the parsed value comes back as structured.'),
  reasoning_effort: ReasoningEffort.optional().describe('How much a reasoning model thinks.'),
  images: z
    .array(ImageInput)
    .min(1)
    .optional()
    .describe('Images for the last user turn: https URLs, data URLs, or base64 data with media_type.'),
  tools: z
    .array(
      z.strictObject({
        name: KeptText.max(128),
        description: z.string().optional(),
        parameters: JsonObjectInput.describe('JSON Schema of the arguments.'),
      }),
    )
    .min(1)
    .optional()
    .describe('Functions the model may ask for; it answers with tool_calls, nothing is run.'),
  tool_choice: z
    .union(
      [z.enum(['auto', 'none', 'required']), z.strictObject({ name: z.string() })],
      'expected "auto", "none", "required" or {"name": the tool}',
    )
    .optional(),
};

/** Settings that few need, after everything else. */
export const rareFields = {
  top_k: z.int().positive().optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  service_tier: z.string().min(1).optional(),
  user: z.string().min(1).max(128).optional().describe('End user id for the vendor.'),
  prompt_cache: z.enum(['off', 'auto', '5m', '1h']).optional().describe('Keep the prompt for cheaper repeats.'),
};

interface Question {
  prompt?: string | undefined;
  messages?: MessageInput[] | undefined;
  images?: unknown[] | undefined;
  tools?: unknown[] | undefined;
  tool_choice?: unknown;
}

/** What holds between the fields of a question. */
export function requireOneQuestion(input: Question, ctx: z.core.$RefinementCtx): void {
  const fault = (path: string, message: string) =>
    ctx.issues.push({ code: 'custom', input, path: [path], message, continue: true });
  if (input.prompt === undefined && input.messages === undefined)
    fault('prompt', 'required: give prompt (a text) or messages (a list of turns)');
  if (input.prompt !== undefined && input.messages !== undefined)
    fault('messages', 'give prompt or messages, not both: put the prompt last in messages, as a user turn');
  const turns = input.messages ?? [];
  if (input.messages !== undefined && !turns.some((turn) => turn.role === 'user' || turn.role === 'tool'))
    fault('messages', 'needs at least one user turn');
  else if (input.images !== undefined && input.messages !== undefined && !turns.some((turn) => turn.role === 'user'))
    fault('images', 'messages has no user turn that could hold them');
  if (input.tool_choice !== undefined && input.tools === undefined) fault('tool_choice', 'needs tools');
}
