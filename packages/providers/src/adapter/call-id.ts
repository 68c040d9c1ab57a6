import { createHash, randomUUID } from 'node:crypto';

/** For a call that came without an id: short enough for every vendor. */
export function createCallId(): string {
  return `call_${randomUUID().replaceAll('-', '')}`;
}

/** An id of another provider or of the client's own making as one that `allowed` matches: the same for call and result. */
export function toCallId(id: string, allowed: RegExp): string {
  if (allowed.test(id)) return id;
  return `call_${createHash('sha256').update(id).digest('hex').slice(0, 24)}`;
}
