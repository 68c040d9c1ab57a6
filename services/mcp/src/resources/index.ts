import type { JsonResource, JsonResourceTemplate } from '../define-resource.ts';
import { conversationResource } from './conversation.ts';
import { healthResource } from './health.ts';
import { jobResource } from './job.ts';
import { modelsResource } from './models.ts';
import { providersResource } from './providers.ts';
import { usageResource } from './usage.ts';

/** Every resource, in the order clients list them. */
export const resources: readonly JsonResource[] = [usageResource, providersResource, modelsResource, healthResource];

/** Every kind of thing that is read by its id. */
export const resourceTemplates: readonly JsonResourceTemplate[] = [jobResource, conversationResource];
