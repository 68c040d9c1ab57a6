import type { FilePart, ImagePart } from '@aimm/contracts';

/** Where the bytes of an image or file are: in the request as base64, or behind an address. */
export type Media =
  | { at: 'inline'; mediaType: string; base64: string }
  | { at: 'url'; url: string; mediaType?: string }
  /** Neither was given, or a data URL that is none. */
  | { at: 'nowhere' };

/** One reading of the ways to give an image or file: base64 data, a data URL, or a URL. */
export function readMedia(part: ImagePart | FilePart): Media {
  const fallback = part.type === 'image' ? 'image/png' : 'application/octet-stream';
  if (part.data !== undefined) {
    const data = parseDataUrl(part.data);
    return data ?? { at: 'inline', mediaType: toMediaType(part.mediaType ?? fallback), base64: part.data };
  }
  if (part.url === undefined) return { at: 'nowhere' };
  if (part.url.startsWith('data:')) return parseDataUrl(part.url) ?? { at: 'nowhere' };
  return { at: 'url', url: part.url, ...(part.mediaType !== undefined && { mediaType: toMediaType(part.mediaType) }) };
}

/** What many programs write for JPEG, and not every vendor reads. */
const aliases: Readonly<Record<string, string>> = { 'image/jpg': 'image/jpeg', 'image/pjpeg': 'image/jpeg' };

function toMediaType(given: string): string {
  const type = given.trim().toLowerCase();
  return aliases[type] ?? type;
}

export function toDataUrl({ mediaType, base64 }: { mediaType: string; base64: string }): string {
  return `data:${mediaType};base64,${base64}`;
}

function parseDataUrl(url: string): Media | undefined {
  const [, mediaType, encoding, data] = /^data:([^;,]*)[^,]*?(;base64)?,([^]*)$/.exec(url) ?? [];
  if (mediaType === undefined || data === undefined) return undefined;
  const base64 = encoding === undefined ? Buffer.from(decode(data)).toString('base64') : data;
  return { at: 'inline', mediaType: mediaType === '' ? 'text/plain' : toMediaType(mediaType), base64 };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
