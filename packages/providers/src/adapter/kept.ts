import type { JsonObject, ModelInfo, ToolCallPart } from '@aimm/contracts';
import { vendorData } from './conversation.ts';

/** Who made a call: stands beside what was kept with it. */
export type Maker = { provider: string; model: string };

/**
 * What was kept with a call of its reasoning, where the model that is asked now takes it back: itself, or another of the same
 * provider that is known to reason. Others refuse it. What names no maker is taken for the provider's own.
 */
export function findKept(
  call: ToolCallPart,
  kind: string,
  asked: Maker,
  info: ModelInfo | undefined,
): JsonObject | undefined {
  const kept = vendorData(call, kind);
  if (kept === undefined || (kept['provider'] ?? asked.provider) !== asked.provider) return undefined;
  const can = info?.capabilities;
  const isOwn = kept['model'] === undefined ? can === undefined : kept['model'] === asked.model;
  return isOwn || can?.includes('reasoning') === true ? kept : undefined;
}
