import type { JsonObject } from '@aimm/contracts';
import * as z from 'zod';
import { isWithinDepth } from './json-depth.ts';

/** Deeper than anybody writes, and well below where the worker's reading of the job gives up. */
const maxDepth = 200;

/** A free JSON object. It came in as JSON, so its values are JSON: a recursive schema would only confuse clients. */
export const JsonObjectInput = z
  .record(z.string(), z.unknown(), 'expected a JSON object')
  .refine((value) => isWithinDepth(value, maxDepth), `expected JSON of at most ${maxDepth} levels inside each other`)
  .transform((value) => value as JsonObject);
