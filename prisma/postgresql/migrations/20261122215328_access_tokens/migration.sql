-- CreateTable
CREATE TABLE "access_tokens" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "live_name" TEXT,
    "hash" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "scopes" JSONB NOT NULL,
    "limits" JSONB NOT NULL,
    "budgets" JSONB NOT NULL,
    "created_at" BIGINT NOT NULL,
    "expires_at" BIGINT,
    "revoked_at" BIGINT,
    "last_used_at" BIGINT,

    CONSTRAINT "access_tokens_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "access_tokens_hash_key" ON "access_tokens"("hash");

-- CreateIndex
CREATE UNIQUE INDEX "access_tokens_live_name_key" ON "access_tokens"("live_name");
