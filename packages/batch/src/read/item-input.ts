import * as z from 'zod';
import { AssertionInput } from '../assertions/assertion-input.ts';
import { JsonObjectInput } from '../input/json-object.ts';
import { KeptText } from '../input/kept-text.ts';
import { questionFields, rareFields, requireOneQuestion, settingFields } from '../input/question-fields.ts';

const ItemId = z
  .union([KeptText.max(200), z.int()], 'expected a text of 1 to 200 characters, or a whole number')
  .transform(String);

const fields = {
  id: ItemId.optional(),
  ...questionFields,
  vars: JsonObjectInput.optional(),
  assert: z.array(AssertionInput).max(100).optional(),
  ...settingFields,
  ...rareFields,
};

/** The fields that there are, to be named beside an unknown one. */
export const itemFields = Object.keys(fields);

/** An item as users write it, in snake_case: a line of a JSONL file, an entry of a list. */
export const ItemInput = z.strictObject(fields).superRefine(requireOneQuestion);
export type ItemInput = z.output<typeof ItemInput>;
