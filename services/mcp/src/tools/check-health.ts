import { requireScope } from '@aimm/contracts';
import * as z from 'zod';
import { defineTool } from '../define-tool.ts';
import { formatHealth, HealthSchema, toHealthOutput } from '../format/health.ts';

export const checkHealth = defineTool({
  name: 'check_health',
  title: 'Check health',
  description:
    'Checks providers (reachable, key valid, models), the queue with its workers, and the database, and says how to mend what is wrong.',
  input: z.strictObject({
    provider: z.string().min(1).optional().describe('Only this provider.'),
    deep: z.boolean().optional().describe('Also ask each default model for one token. Costs a little.'),
  }),
  output: HealthSchema,
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  scopes: ['read'],
  async run(input, context) {
    if (input.deep === true) requireScope(context.caller, ['generate'], 'A deep check asks models, and');
    const manager = await context.manager();
    const report = await manager.health(context.caller, input);
    return { text: [formatHealth(report)], structured: toHealthOutput(report) };
  },
});
