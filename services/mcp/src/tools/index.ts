import type { Tool } from '../define-tool.ts';
import { cancelJob } from './cancel-job.ts';
import { checkHealth } from './check-health.ts';
import { compareModels } from './compare-models.ts';
import { deleteConversation } from './delete-conversation.ts';
import { generate } from './generate.ts';
import { getConversation } from './get-conversation.ts';
import { getJob } from './get-job.ts';
import { getModelInfo } from './get-model-info.ts';
import { getUsageStats } from './get-usage-stats.ts';
import { listConversations } from './list-conversations.ts';
import { listModels } from './list-models.ts';

/** Every tool, in the order clients list them. One file here, one line there. */
export const tools: readonly Tool[] = [
  generate,
  compareModels,
  listModels,
  getModelInfo,
  getUsageStats,
  checkHealth,
  getJob,
  cancelJob,
  listConversations,
  getConversation,
  deleteConversation,
];
