import type { Tool } from '../define-tool.ts';
import { cancelJob } from './cancel-job.ts';
import { checkHealth } from './check-health.ts';
import { compareModels } from './compare-models.ts';
import { deleteConversation } from './delete-conversation.ts';
import { estimateCost } from './estimate-cost.ts';
import { generate } from './generate.ts';
import { getConversation } from './get-conversation.ts';
import { getJob } from './get-job.ts';
import { getModelInfo } from './get-model-info.ts';
import { getPreferences } from './get-preferences.ts';
import { getUsageStats } from './get-usage-stats.ts';
import { listConversations } from './list-conversations.ts';
import { listJobs } from './list-jobs.ts';
import { listModels } from './list-models.ts';
import { setPreference } from './set-preference.ts';
import { startBatch } from './start-batch.ts';

/** Every tool, in the order clients list them. One file here, one line there. */
export const tools: readonly Tool[] = [
  generate,
  compareModels,
  startBatch,
  listModels,
  getModelInfo,
  estimateCost,
  getUsageStats,
  checkHealth,
  getJob,
  cancelJob,
  listJobs,
  listConversations,
  getConversation,
  deleteConversation,
  getPreferences,
  setPreference,
];
