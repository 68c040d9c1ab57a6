import { fileURLToPath } from 'node:url';

/** The command's own script: every process of a stack starts from it. */
export const binPath = fileURLToPath(new URL('../../bin/aimm.mjs', import.meta.url));
