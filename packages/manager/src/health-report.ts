import type { ProviderHealth } from '@aimm/contracts';
import type { Cooldown } from '@aimm/queue';

export interface QueueHealth {
  reachable: boolean;
  latencyMs?: number | undefined;
  workers: { id: string; host: string; pid: number; providers: string[]; startedAt: number; seenAt: number }[];
  queues: {
    name: string;
    waiting: number;
    active: number;
    delayed: number;
    failed: number;
    pausedForMs?: number | undefined;
  }[];
  problem?: string | undefined;
}

/** A budget as it stands. Nano-dollars; `renewsAt` in epoch milliseconds. */
export interface BudgetView {
  name: string;
  period: 'day' | 'month';
  provider?: string | undefined;
  client?: string | undefined;
  limitNanoUsd: number;
  spentNanoUsd: number;
  /** What requests under way may still cost. */
  heldNanoUsd: number;
  renewsAt: number;
}

export interface HealthReport {
  /** Absent where the queue does not answer. */
  budgets?: BudgetView[] | undefined;
  healthy: boolean;
  /** `cooldowns`: what of the provider is set aside because it kept failing; absent where nothing is. */
  providers: (ProviderHealth & { cooldowns?: Cooldown[] | undefined })[];
  queue: QueueHealth;
  database: {
    kind: 'sqlite' | 'postgresql';
    reachable: boolean;
    latencyMs?: number | undefined;
    problem?: string | undefined;
  };
}
