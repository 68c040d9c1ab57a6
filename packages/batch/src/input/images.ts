import type { ImagePart } from '@aimm/contracts';
import * as z from 'zod';

export const imageUrlFault = 'expected an https:// URL or a data URL like data:image/png;base64,… (files are not read)';

/** Vendors fetch https only; anything else would fail after the wait in the queue. */
export function isImageUrl(url: string): boolean {
  return url.startsWith('https://') || /^data:image\/[\w.+-]+;base64,./.test(url.slice(0, 100));
}

const ImageUrl = z.string().refine(isImageUrl, imageUrlFault);
const ImageObject = z.union([
  z.strictObject({ url: ImageUrl }),
  z.strictObject({ data: z.string().min(1), media_type: z.string().startsWith('image/') }),
]);

/** `https://…`, `data:image/…`, `{ url }` or `{ data, media_type }`. */
export const ImageInput = z
  .union([ImageUrl, ImageObject], `${imageUrlFault}, {"url": …} or {"data": base64, "media_type": "image/png"}`)
  .transform((image): ImagePart => {
    if (typeof image === 'string') return { type: 'image', url: image };
    if ('url' in image) return { type: 'image', url: image.url };
    return { type: 'image', data: image.data, mediaType: image.media_type };
  });
