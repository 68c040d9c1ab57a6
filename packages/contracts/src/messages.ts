import * as z from 'zod';

/** A value that JSON.parse has just made: JSON by that, and not walked through again. */
export const ParsedJson = z.custom<z.core.util.JSONType>((value) => value !== undefined);

/** JSON as it crosses process boundaries. */
export const JsonObject = z.record(z.string(), z.json());
export type JsonObject = z.infer<typeof JsonObject>;

export const TextPart = z.strictObject({ type: z.literal('text'), text: z.string() });
/** Either `url` (https or data URL) or base64 `data` with its `mediaType`. */
export const ImagePart = z.strictObject({
  type: z.literal('image'),
  url: z.string().optional(),
  data: z.string().optional(),
  mediaType: z.string().optional(),
});
export const FilePart = z.strictObject({
  type: z.literal('file'),
  data: z.string().optional(),
  url: z.string().optional(),
  mediaType: z.string(),
  filename: z.string().optional(),
});
/** What a model thought. `signature` and `vendor` are opaque: echoed to the provider that made them, ignored by others. */
export const ReasoningPart = z.strictObject({
  type: z.literal('reasoning'),
  text: z.string(),
  signature: z.string().optional(),
  vendor: JsonObject.optional(),
});
export const ToolCallPart = z.strictObject({
  type: z.literal('tool_call'),
  id: z.string(),
  name: z.string(),
  arguments: JsonObject,
  vendor: JsonObject.optional(),
});
export const ToolResultPart = z.strictObject({
  type: z.literal('tool_result'),
  toolCallId: z.string(),
  name: z.string().optional(),
  content: z.string(),
  isError: z.boolean().optional(),
});
export const MessagePart = z.discriminatedUnion('type', [
  TextPart,
  ImagePart,
  FilePart,
  ReasoningPart,
  ToolCallPart,
  ToolResultPart,
]);
export type TextPart = z.infer<typeof TextPart>;
export type ImagePart = z.infer<typeof ImagePart>;
export type FilePart = z.infer<typeof FilePart>;
export type ReasoningPart = z.infer<typeof ReasoningPart>;
export type ToolCallPart = z.infer<typeof ToolCallPart>;
export type ToolResultPart = z.infer<typeof ToolResultPart>;
export type MessagePart = z.infer<typeof MessagePart>;

/** One turn. `user`: text, image, file, tool_result. `assistant`: text, reasoning, tool_call. `system`: text. */
export const Message = z.strictObject({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.array(MessagePart).min(1),
});
export type Message = z.infer<typeof Message>;
