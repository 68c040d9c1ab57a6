import * as z from 'zod';
import { ErrorShape } from './errors.ts';
import { ParsedJson } from './messages.ts';

/**
 * What a worker sends to the front that waits, over the front's reply stream.
 * `attempt` counts calls from 1 and `seq` the parts within one; a front drops what it has seen.
 */
const Part = z.object({ requestId: z.string(), attempt: z.number().int(), seq: z.number().int() });

export const Reply = z.discriminatedUnion('type', [
  /** A call began. */
  Part.extend({ type: z.literal('started') }),
  Part.extend({ type: z.literal('text'), text: z.string() }),
  Part.extend({ type: z.literal('reasoning'), text: z.string() }),
  /** The text sent so far is void: the call broke and another begins. */
  Part.extend({ type: z.literal('reset'), reason: ErrorShape }),
  /** The request is put aside: its provider asked us to wait, a limit of ours is used up, or it is tried again later. */
  Part.extend({
    type: z.literal('waiting'),
    untilMs: z.number(),
    reason: ErrorShape,
    why: z.enum(['provider', 'rate_limit', 'retry']).optional(),
  }),
  /** Terminal. The value is the job's result, or `null` where it is large: read it by id. */
  Part.extend({ type: z.literal('done'), value: ParsedJson.nullable() }),
  /** Terminal. */
  Part.extend({ type: z.literal('failed'), error: ErrorShape }),
]);
export type Reply = z.infer<typeof Reply>;
