-- CreateTable
CREATE TABLE "batches" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "client" TEXT NOT NULL,
    "name" TEXT,
    "status" TEXT NOT NULL,
    "paused_because" TEXT,
    "resume_at" BIGINT,
    "spec" TEXT NOT NULL,
    "item_count" INTEGER NOT NULL DEFAULT 0,
    "estimated_nano_usd" BIGINT,
    "max_cost_nano_usd" BIGINT,
    "spent_nano_usd" BIGINT NOT NULL DEFAULT 0,
    "created_at" BIGINT NOT NULL,
    "touched_at" BIGINT NOT NULL,
    "ended_at" BIGINT,
    "version" INTEGER NOT NULL DEFAULT 0
);

-- CreateTable
CREATE TABLE "batch_items" (
    "batch_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "item_id" TEXT NOT NULL,
    "content" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL,

    PRIMARY KEY ("batch_id", "number"),
    CONSTRAINT "batch_items_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "batches" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "batch_columns" (
    "batch_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "provider" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "lane" TEXT NOT NULL,
    "variant" TEXT,
    "judges" TEXT,
    "template" TEXT NOT NULL,
    "next_item" INTEGER NOT NULL DEFAULT 0,

    PRIMARY KEY ("batch_id", "number"),
    CONSTRAINT "batch_columns_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "batches" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "batch_generations" (
    "batch_id" TEXT NOT NULL,
    "column_number" INTEGER NOT NULL,
    "item" INTEGER NOT NULL,
    "status" TEXT NOT NULL,
    "request_id" TEXT,
    "round" INTEGER NOT NULL DEFAULT 0,
    "queued_at" BIGINT,
    "bytes" INTEGER NOT NULL DEFAULT 0,
    "ended_at" BIGINT,
    "cost_nano_usd" BIGINT,
    "input_tokens" INTEGER,
    "output_tokens" INTEGER,
    "latency_bin" INTEGER,
    "first_token_bin" INTEGER,
    "error_code" TEXT,
    "marks" TEXT,
    "passed" BOOLEAN,
    "score" REAL,
    "winner" TEXT,
    "answer" TEXT,

    PRIMARY KEY ("batch_id", "column_number", "item"),
    CONSTRAINT "batch_generations_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "batches" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "batches_status_idx" ON "batches"("status");

-- CreateIndex
CREATE INDEX "batches_client_id_idx" ON "batches"("client", "id");

-- CreateIndex
CREATE UNIQUE INDEX "batch_items_batch_id_item_id_key" ON "batch_items"("batch_id", "item_id");

-- CreateIndex
CREATE INDEX "batch_generations_batch_id_status_column_number_item_idx" ON "batch_generations"("batch_id", "status", "column_number", "item");
