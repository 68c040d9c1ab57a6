/** What every page says while Redis cannot be reached. */
export const queueDown = {
  title: 'The queue (Redis) does not answer.',
  detail: 'Check that Redis runs and that REDIS_URL points at it; aimm doctor looks at both.',
} as const;
