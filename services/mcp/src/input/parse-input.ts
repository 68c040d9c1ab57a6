import { describeIssue } from '@aimm/batch/input';
import { ModelManagerError } from '@aimm/contracts';
import type * as z from 'zod';

/**
 * Parses a tool's arguments strictly.
 *
 * @throws invalid_request naming every faulty field, what is expected there and, where it is known, the fix
 */
export function parseInput<S extends z.ZodObject>(tool: string, schema: S, args: unknown): z.output<S> {
  const parsed = schema.safeParse(args ?? {}, { reportInput: true });
  if (parsed.success) return parsed.data;
  const fields = Object.keys(schema.shape);
  const faults = parsed.error.issues.flatMap((issue) => describeIssue(issue, fields));
  throw new ModelManagerError('invalid_request', `Invalid arguments for ${tool}:\n${faults.join('\n')}`, {
    hint: `Nothing was done. Correct ${faults.length === 1 ? 'this' : 'these'} and call ${tool} again.`,
  });
}
