-- CreateTable
CREATE TABLE "api_keys" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "provider" TEXT NOT NULL,
    "label" TEXT NOT NULL,
    "ciphertext" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "last_failed_at" BIGINT,
    "last_failed_reason" TEXT
);

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_provider_label_key" ON "api_keys"("provider", "label");
