import type { FilePart, ImagePart, MessagePart, Warning } from '@aimm/contracts';
import type { Content, Part } from '@google/genai';
import { leaveOut, mergeTurns, type Turn, vendorData } from '../adapter/conversation.ts';
import { readMedia } from '../adapter/media.ts';

/** Google's word for a call that was not made by its own models and so has no signature to be checked. */
const noSignature = 'skip_thought_signature_validator';

/**
 * Turns as Gemini wants them: alternating, the result of a tool under the name of its call. `signed`: the model refuses a
 * turn whose first call has no signature.
 */
export function toContents(turns: readonly Turn[], signed: boolean, warnings: Warning[]): Content[] {
  const names = new Map(
    turns.flatMap(({ content }) =>
      content.flatMap((part) => (part.type === 'tool_call' ? [[part.id, part.name]] : [])),
    ),
  );
  return mergeTurns(turns).map(({ role, content }) => {
    const parts = content.flatMap((part) => toPart(part, names, warnings));
    const first = parts.find(({ functionCall }) => functionCall !== undefined);
    if (signed && first !== undefined) first.thoughtSignature ??= noSignature;
    return { role: role === 'assistant' ? 'model' : 'user', parts };
  });
}

function toPart(
  part: MessagePart,
  names: ReadonlyMap<string | undefined, string | undefined>,
  warnings: Warning[],
): Part[] {
  switch (part.type) {
    case 'text':
      return [{ text: part.text }];
    case 'image':
    case 'file':
      return [toMedia(part, warnings)];
    case 'tool_call': {
      const signature = vendorData(part, 'google')?.['thoughtSignature'];
      return [
        {
          functionCall: { id: part.id, name: part.name, args: part.arguments },
          ...(typeof signature === 'string' && { thoughtSignature: signature }),
        },
      ];
    }
    case 'tool_result': {
      const name = part.name ?? names.get(part.toolCallId) ?? 'tool';
      const response = part.isError === true ? { error: part.content } : { output: part.content };
      return [{ functionResponse: { id: part.toolCallId, name, response } }];
    }
    case 'reasoning':
      return [];
  }
}

function toMedia(part: ImagePart | FilePart, warnings: Warning[]): Part {
  const media = readMedia(part);
  const unnamed = 'Gemini reads files without their names: say in the text which file is which.';
  const isNamed = part.type === 'file' && part.filename !== undefined;
  if (isNamed && !warnings.some(({ message }) => message === unnamed))
    warnings.push({ code: 'other', message: unnamed });
  if (media.at === 'nowhere') return { text: leaveOut(`The ${part.type}`, 'it has neither data nor a URL', warnings) };
  if (media.at === 'inline') return { inlineData: { mimeType: media.mediaType, data: media.base64 } };
  const { url, mediaType } = media;
  if (!isGoogleFile(url)) {
    const message =
      'Some Gemini models cannot read an address of the public web: give the data itself if the call fails.';
    warnings.push({ code: 'other', message });
  }
  return { fileData: { fileUri: url, ...(mediaType !== undefined && { mimeType: mediaType }) } };
}

function isGoogleFile(url: string): boolean {
  return url.startsWith('gs://') || (URL.canParse(url) && new URL(url).hostname.endsWith('.googleapis.com'));
}
