/** Longest message: images come in it as base64. */
export const maxMessageBytes = 32 * 1024 * 1024;

export const oversizedMessage = 'The message is too large: the limit is 32 MB. Send fewer or smaller images.';
