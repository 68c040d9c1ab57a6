import * as z from 'zod';

/** A text of which something is left once it is stored: databases take no U+0000. */
export const KeptText = z
  .string()
  .min(1)
  .refine((text) => text === '' || text.replaceAll('\0', '') !== '', 'expected other characters than U+0000');
