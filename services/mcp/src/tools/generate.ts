import { ConversationId } from '@aimm/contracts';
import type { Accepted, GenerateAsk, GenerationAnswer } from '@aimm/manager';
import * as z from 'zod';
import { cancelledByClient, defineTool, type ToolAnswer } from '../define-tool.ts';
import { createFollower, leaveRunning, waitForEnd } from '../follow.ts';
import { formatGeneration, generationFields, type GenerationOutput, toGenerationOutput } from '../format/generation.ts';
import { formatHandBack, formatQueued } from '../format/job.ts';
import {
  backgroundField,
  limitFields,
  ModelNameInput,
  modelField,
  questionFields,
  rareFields,
  requireOneQuestion,
  restartField,
  settingFields,
} from '../input/ask-fields.ts';
import { toAsk } from '../input/to-ask.ts';

const Input = z
  .strictObject({
    ...questionFields,
    ...modelField,
    ...settingFields,
    conversation_id: ConversationId.optional().describe('Continue this saved conversation.'),
    save_conversation: z.boolean().optional().describe('Save this turn; the answer names the conversation_id.'),
    history: z
      .enum(['drop', 'summarise'])
      .optional()
      .describe('What to do with its oldest turns when it is longer than the model takes; default drop.'),
    route: z.string().max(64).optional().describe('How auto chooses: cheapest, fastest, balanced, or a rule of yours.'),
    fallbacks: z
      .array(ModelNameInput)
      .max(10)
      .optional()
      .describe('Models to ask in turn when the one before fails or max_wait_seconds runs out; [] for none.'),
    cache: z.boolean().optional().describe('Allow the stored answer to an identical request, and store this one.'),
    ...backgroundField,
    ...limitFields,
    ...restartField,
    ...rareFields,
  })
  .superRefine((input, ctx) => {
    requireOneQuestion(input, ctx);
    if (input.history !== undefined && input.conversation_id === undefined)
      ctx.addIssue({ code: 'custom', path: ['history'], message: 'needs conversation_id' });
    // Somebody may mean it: a turn that is to be private must not be kept without a word.
    if (input.save_conversation === false && input.conversation_id !== undefined) {
      const message =
        'with conversation_id the turn is always saved. Leave save_conversation out, or ask without conversation_id';
      ctx.addIssue({ code: 'custom', path: ['save_conversation'], message });
    }
  });

export const generate = defineTool({
  name: 'generate',
  title: 'Ask a model',
  description:
    'Asks one model of any configured provider and returns its answer with token counts, cost and latency. The request waits in the queue of its provider under shared rate limits. If it takes too long, a job_id comes back for get_job.',
  input: Input,
  output: z.object(generationFields),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  scopes: ['generate'],
  meta: { 'anthropic/maxResultSizeChars': 500_000 },
  failsAsJob: true,
  async run(input, context) {
    const ask: GenerateAsk = {
      ...toAsk(input, context.maxPromptBytes),
      model: input.model,
      route: input.route,
      fallbacks: input.fallbacks,
      cache: input.cache,
      // Who is shown no text as it comes loses none when the answer begins again.
      allowRestart: input.allow_restart ?? context.progress === undefined,
      conversationId: input.conversation_id,
      saveConversation: input.save_conversation,
      history: input.history,
    };
    const manager = await context.manager();
    if (context.cancelled.aborted) throw cancelledByClient();
    if (input.background === true) {
      const accepted = await manager.generate(context.caller, ask);
      leaveRunning(accepted);
      return {
        text: formatQueued(accepted.requestId, accepted.models),
        structured: withoutAnswer(accepted, 'queued'),
        goesOn: accepted.requestId,
      };
    }
    const onProgress = context.progress && createFollower(context.progress, 'generation').onProgress;
    const accepted = await manager.generate(context.caller, ask, { signal: context.cancelled, onProgress });
    const ending = await waitForEnd(accepted, context);
    if (ending.done) return answerWith(ending.value);
    // Who asked for no progress was sent nothing so far: the queue knows how far it is.
    const view = await manager.getJob(context.caller, accepted.requestId).catch(() => undefined);
    if (view?.generation !== undefined) return answerWith(view.generation);
    const partialText = view?.partialText ?? '';
    const status = view === undefined || view.status === 'queued' ? 'queued' : 'running';
    return {
      text: formatHandBack(accepted.requestId, partialText),
      structured: { ...withoutAnswer(accepted, status), ...(partialText !== '' && { partial_text: partialText }) },
      goesOn: accepted.requestId,
    };
  },
});

function answerWith(answer: GenerationAnswer): ToolAnswer<GenerationOutput> {
  return { text: formatGeneration(answer), structured: toGenerationOutput(answer) };
}

function withoutAnswer(accepted: Accepted<GenerationAnswer>, status: 'queued' | 'running'): GenerationOutput {
  return {
    job_id: accepted.requestId,
    status,
    model: accepted.models[0],
    conversation_id: accepted.conversationId,
  };
}
