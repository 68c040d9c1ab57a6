/** Where this machine's programs are. */
export const programPath = process.env['PATH'] ?? '';
