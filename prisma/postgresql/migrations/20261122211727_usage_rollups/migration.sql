-- AlterTable
ALTER TABLE "usage_stats" ADD COLUMN     "rolled_up" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "saved_nano_usd" BIGINT;

-- CreateTable
CREATE TABLE "usage_series" (
    "id" SERIAL NOT NULL,
    "hash" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "client" TEXT NOT NULL,
    "tags" JSONB NOT NULL,
    "demo" BOOLEAN NOT NULL,

    CONSTRAINT "usage_series_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "usage_rollups" (
    "scope" TEXT NOT NULL,
    "width_minutes" INTEGER NOT NULL,
    "starts_at" BIGINT NOT NULL,
    "series_id" INTEGER NOT NULL,
    "requests" BIGINT NOT NULL,
    "calls" BIGINT NOT NULL,
    "cached" BIGINT NOT NULL,
    "succeeded" BIGINT NOT NULL,
    "failed" BIGINT NOT NULL,
    "cancelled" BIGINT NOT NULL,
    "partial" BIGINT NOT NULL,
    "outcome_unknown" BIGINT NOT NULL,
    "input_tokens" BIGINT NOT NULL,
    "output_tokens" BIGINT NOT NULL,
    "cache_read_tokens" BIGINT NOT NULL,
    "cache_write_tokens" BIGINT NOT NULL,
    "reasoning_tokens" BIGINT NOT NULL,
    "cost_nano_usd" BIGINT NOT NULL,
    "unpriced_calls" BIGINT NOT NULL,
    "saved_input_tokens" BIGINT NOT NULL,
    "saved_output_tokens" BIGINT NOT NULL,
    "saved_nano_usd" BIGINT NOT NULL,
    "unpriced_cached" BIGINT NOT NULL,
    "errors" TEXT,
    "latency_bins" TEXT,
    "first_token_bins" TEXT,
    "queue_bins" TEXT,

    CONSTRAINT "usage_rollups_pkey" PRIMARY KEY ("scope","width_minutes","starts_at","series_id")
);

-- CreateTable
CREATE TABLE "usage_tombstones" (
    "request_id" TEXT NOT NULL,
    "call_number" INTEGER NOT NULL,
    "deleted_at" BIGINT NOT NULL,

    CONSTRAINT "usage_tombstones_pkey" PRIMARY KEY ("request_id","call_number")
);

-- CreateTable
CREATE TABLE "usage_retention" (
    "id" INTEGER NOT NULL,
    "deleted_before" BIGINT NOT NULL,

    CONSTRAINT "usage_retention_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "usage_series_hash_key" ON "usage_series"("hash");

-- CreateIndex
CREATE INDEX "usage_tombstones_deleted_at_idx" ON "usage_tombstones"("deleted_at");

-- CreateIndex
CREATE INDEX "usage_stats_rolled_up_started_at_idx" ON "usage_stats"("rolled_up", "started_at");
