-- CreateTable
CREATE TABLE "batch_submissions" (
    "id" TEXT NOT NULL,
    "batch_id" TEXT NOT NULL,
    "column_number" INTEGER NOT NULL,
    "provider" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "round" INTEGER NOT NULL,
    "requests" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "key_id" TEXT,
    "attempted_at" BIGINT,
    "submitted_at" BIGINT,
    "handle" TEXT,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "cancelled_at" BIGINT,
    "progress" TEXT,
    "problem" TEXT,
    "created_at" BIGINT NOT NULL,
    "ended_at" BIGINT,
    "next_at" BIGINT NOT NULL,
    "owner" TEXT,
    "lease_until" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "batch_submissions_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "batch_submissions_status_next_at_idx" ON "batch_submissions"("status", "next_at");

-- CreateIndex
CREATE INDEX "batch_submissions_batch_id_idx" ON "batch_submissions"("batch_id");

-- AddForeignKey
ALTER TABLE "batch_submissions" ADD CONSTRAINT "batch_submissions_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "batches"("id") ON DELETE CASCADE ON UPDATE CASCADE;
