-- CreateTable
CREATE TABLE "access_tokens" (
    "id" TEXT NOT NULL PRIMARY KEY,
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
    "last_used_at" BIGINT
);

-- CreateIndex
CREATE UNIQUE INDEX "access_tokens_hash_key" ON "access_tokens"("hash");

-- CreateIndex
CREATE UNIQUE INDEX "access_tokens_live_name_key" ON "access_tokens"("live_name");
