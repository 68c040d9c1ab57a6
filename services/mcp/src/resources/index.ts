import type { JsonResource, JsonResourceTemplate } from '../define-resource.ts';
import { conversationResource } from './conversation.ts';
import { providersResource } from './providers.ts';
import { usageResource } from './usage.ts';

/** Every resource, in the order clients list them. */
export const resources: readonly JsonResource[] = [usageResource, providersResource];

/** Every kind of thing that is read by its id. */
export const resourceTemplates: readonly JsonResourceTemplate[] = [conversationResource];
