import * as z from 'zod';
import { ErrorShape } from './errors.ts';
import { ParsedJson } from './messages.ts';

/**
 * What a worker sends to the front that waits, over the front's reply stream.
 * `attempt` counts calls from 1 and `seq` the parts within one; a front drops what it has seen.
 */
const Part = z.object({
  requestId: z.string(),
  attempt: z.number().int(),
  seq: z.number().int(),
  /** Of a call that several requests share: it is for all of them that joined this flight, and `requestId` makes the call. */
  flight: z.string().optional(),
});

export const Reply = z.discriminatedUnion('type', [
  /** A call began; `model`: of whom, as `provider/model`. */
  Part.extend({ type: z.literal('started'), model: z.string().optional() }),
  Part.extend({ type: z.literal('text'), text: z.string() }),
  Part.extend({ type: z.literal('reasoning'), text: z.string() }),
  /** The text sent so far is void: the call broke and another begins. */
  Part.extend({
    type: z.literal('reset'),
    reason: ErrorShape,
    /** Nobody asked for it: the same call is tried again. Who shares it, was shown its text and allows no restart is done. */
    again: z.boolean().optional(),
  }),
  /** This request shares the call that `leader` makes; what was said so far, and further parts come with `flight`. */
  Part.extend({ type: z.literal('joined'), flight: z.string(), leader: z.string(), text: z.string() }),
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
