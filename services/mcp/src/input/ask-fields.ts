import { comparedModels } from '@aimm/contracts';
import * as z from 'zod';

const modelName = z.string().min(1).max(300);

export const modelField = {
  model: modelName
    .optional()
    .describe(
      'provider/model-id such as openai/gpt-5-mini, a bare model id, an alias (fast, smart, code; get_preferences shows all), or auto. Default: your default, else auto with route or the first configured provider’s default model. list_models shows all.',
    ),
};

export const modelsField = {
  models: z
    .array(modelName)
    .min(comparedModels.least)
    .max(comparedModels.most)
    .describe('2 to 10 models, each written as in generate.'),
};

export const restartField = {
  allow_restart: z.boolean().optional().describe('Retry a call that broke off after its text was shown as progress.'),
};

/** How to go about it. */
export const backgroundField = {
  background: z
    .boolean()
    .optional()
    .describe('Return a job_id at once; read the answer with get_job. For long work and impatient clients.'),
};

export const limitFields = {
  max_wait_seconds: z.number().positive().max(86_400).optional().describe('Longest wait in the queue.'),
  timeout_seconds: z.number().positive().max(86_400).optional().describe('Longest time of one call to the provider.'),
  tags: z.array(z.string().min(1).max(100)).max(20).optional().describe('Labels for get_usage_stats.'),
};

export { questionFields, rareFields, requireOneQuestion, settingFields } from '@aimm/batch/input';
export { modelName as ModelNameInput };
