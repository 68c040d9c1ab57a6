-- CreateTable
CREATE TABLE "conversations" (
    "id" TEXT NOT NULL,
    "client" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL,

    CONSTRAINT "conversations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "messages" (
    "conversation_id" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "role" TEXT NOT NULL,
    "content" JSONB NOT NULL,
    "model" TEXT,
    "request_id" TEXT,
    "cost_nano_usd" BIGINT,
    "created_at" BIGINT NOT NULL,

    CONSTRAINT "messages_pkey" PRIMARY KEY ("conversation_id","position")
);

-- CreateTable
CREATE TABLE "usage_stats" (
    "request_id" TEXT NOT NULL,
    "call_number" INTEGER NOT NULL,
    "parent_id" TEXT,
    "provider" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "answered_by" TEXT,
    "status" TEXT NOT NULL,
    "error_code" TEXT,
    "client" TEXT NOT NULL,
    "tags" JSONB NOT NULL,
    "lane" TEXT NOT NULL,
    "input_tokens" INTEGER,
    "output_tokens" INTEGER,
    "cache_read_tokens" INTEGER,
    "cache_write_tokens" INTEGER,
    "reasoning_tokens" INTEGER,
    "estimated" BOOLEAN NOT NULL,
    "cost_nano_usd" BIGINT,
    "price_version" TEXT,
    "cached" BOOLEAN NOT NULL,
    "demo" BOOLEAN NOT NULL,
    "queue_ms" INTEGER,
    "first_token_ms" INTEGER,
    "provider_ms" INTEGER,
    "started_at" BIGINT NOT NULL,
    "finished_at" BIGINT,

    CONSTRAINT "usage_stats_pkey" PRIMARY KEY ("request_id","call_number")
);

-- CreateIndex
CREATE INDEX "conversations_client_updated_at_idx" ON "conversations"("client", "updated_at");

-- CreateIndex
CREATE INDEX "usage_stats_started_at_idx" ON "usage_stats"("started_at");

-- CreateIndex
CREATE INDEX "usage_stats_provider_model_started_at_idx" ON "usage_stats"("provider", "model", "started_at");

-- CreateIndex
CREATE INDEX "usage_stats_client_started_at_idx" ON "usage_stats"("client", "started_at");

-- AddForeignKey
ALTER TABLE "messages" ADD CONSTRAINT "messages_conversation_id_fkey" FOREIGN KEY ("conversation_id") REFERENCES "conversations"("id") ON DELETE CASCADE ON UPDATE CASCADE;
