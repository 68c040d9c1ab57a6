import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { type ImagePart, JsonObject, ModelManagerError, ToolDefinition } from '@aimm/contracts';
import * as z from 'zod';

const mediaTypes: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
};

/** An image for `--image`: an https or data URL as it is, else a file's content. @throws invalid_request */
export async function readImage(given: string): Promise<ImagePart> {
  if (/^(https:\/\/|data:image\/)/.test(given)) return { type: 'image', url: given };
  const mediaType = mediaTypes[extname(given).toLowerCase()];
  if (mediaType === undefined) {
    throw new ModelManagerError('invalid_request', `${given} is not an image that models accept.`, {
      hint: `Give an https:// address or a file that ends with ${Object.keys(mediaTypes).join(', ')}.`,
    });
  }
  const content = await readFile(given).catch(unreadable(given));
  return { type: 'image', data: content.toString('base64'), mediaType };
}

/** A JSON Schema for `--schema`. @throws invalid_request */
export async function readSchema(path: string): Promise<JsonObject> {
  return readJson(path, JsonObject, 'a JSON Schema, which is an object');
}

/** Functions that the model may ask for, for `--tools`. @throws invalid_request */
export async function readTools(path: string): Promise<ToolDefinition[]> {
  return readJson(path, z.array(ToolDefinition).min(1), 'a list like [{"name": …, "parameters": {…}}]');
}

async function readJson<T>(path: string, shape: z.ZodType<T>, expected: string): Promise<T> {
  const text = await readFile(path, 'utf8').catch(unreadable(path));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ModelManagerError('invalid_request', `${path} is not JSON: ${(cause as SyntaxError).message}`, { cause });
  }
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ModelManagerError('invalid_request', `${path} does not hold what it should: expected ${expected}.`, {
    hint: `At ${issue?.path.join('.') || 'its top'}: ${issue?.message ?? 'not as expected'}.`,
  });
}

function unreadable(path: string) {
  return (cause: NodeJS.ErrnoException): never => {
    throw new ModelManagerError('invalid_request', `${path} cannot be read (${cause.code ?? cause.message}).`, {
      cause,
    });
  };
}
