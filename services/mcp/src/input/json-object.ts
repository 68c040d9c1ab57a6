import type { JsonObject } from '@aimm/contracts';
import * as z from 'zod';

/** A free JSON object. It came in as JSON, so its values are JSON: a recursive schema would only confuse clients. */
export const JsonObjectInput = z
  .record(z.string(), z.unknown(), 'expected a JSON object')
  .transform((value) => value as JsonObject);
