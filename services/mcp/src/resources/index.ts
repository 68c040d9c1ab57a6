import type { JsonResource } from '../define-resource.ts';
import { providersResource } from './providers.ts';
import { usageResource } from './usage.ts';

/** Every resource, in the order clients list them. */
export const resources: readonly JsonResource[] = [usageResource, providersResource];
