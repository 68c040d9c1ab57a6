import { completeModel, completeModels, type Prompt } from '../define-prompt.ts';

export const compareModelsPrompt: Prompt = {
  name: 'compare_models',
  title: 'Compare models',
  description: 'Ask several models the same question and see how their answers differ.',
  arguments: {
    question: { description: 'What to ask them.', required: true },
    models: {
      description: '2 to 10 models or aliases, separated by commas.',
      required: false,
      complete: completeModels,
    },
    judge: { description: 'A model that ranks the answers.', required: false, complete: completeModel },
    criteria: { description: 'What matters in an answer.', required: false },
  },
  write: ({ question = '', models, judge, criteria }) => {
    const list = (models ?? '').split(',').flatMap((name) => name.trim() || []);
    const which =
      list.length >= 2
        ? `Use exactly these models: ${list.join(', ')}.`
        : `${list.length === 1 ? `One of the models is ${list[0]}. ` : ''}Choose three that are available and differ in provider and size: call list_models first, and name them as it does.`;
    const ranks =
      judge === undefined ? '' : ` with judge "${judge}"${criteria === undefined ? '' : ' and these criteria'}`;
    return [
      'Compare how several models answer the question below.',
      `1. ${which}`,
      `2. Call compare_models once, with the question word for word as prompt${ranks}. If its status is queued or running, call get_job with its job_id and wait_seconds until it has ended; do not ask again.`,
      '3. Show a table with one row per model: the answer in a sentence, cost_usd, latency and tokens; a model that failed with its error. Then say where the answers agree, where they contradict each other, and which you would trust and why.',
      ...(criteria === undefined ? [] : [`What matters: ${criteria}`]),
      '',
      'The question:',
      question,
    ].join('\n');
  },
};
