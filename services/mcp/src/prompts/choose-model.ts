import type { Prompt } from '../define-prompt.ts';

export const chooseModelPrompt: Prompt = {
  name: 'choose_model',
  title: 'Choose a model',
  description: 'Find the model that suits a task, with what it would cost.',
  arguments: {
    task: { description: 'What the model is to do; best with an example prompt.', required: true },
    priority: {
      description: 'What counts most: cost, speed, quality or balance.',
      required: false,
      complete: ['balance', 'cost', 'quality', 'speed'],
    },
    needs: {
      description: 'What it must be able to do, such as images or tools.',
      required: false,
      complete: ['embeddings', 'files', 'images', 'json', 'json_schema', 'reasoning', 'tools'],
    },
  },
  write: ({ task = '', priority = 'balance', needs }) =>
    [
      'Help me choose a model for the task below.',
      `1. Call list_models${needs === undefined ? '' : ` (with capability where it has the word for: ${needs})`} and keep models that are available and whose context window is large enough.`,
      '2. Call estimate_cost with a prompt like the ones of this task and up to eight of those models. It asks nobody and costs nothing.',
      '3. Call get_usage_stats with group_by model and period 30d: how fast and how reliable those were that I have used.',
      `4. Recommend one model and an alternative from another provider. What counts most is ${priority}. Give the price per request, and say what you do not know.`,
      '5. Offer to keep the choice under a short name with set_preference; call it only after I agree.',
      '',
      'The task:',
      task,
    ].join('\n'),
};
