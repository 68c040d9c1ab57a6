-- CreateTable
CREATE TABLE "model_preferences" (
    "client" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "models" JSONB NOT NULL,
    "settings" JSONB NOT NULL,
    "updated_at" BIGINT NOT NULL,

    CONSTRAINT "model_preferences_pkey" PRIMARY KEY ("client","name")
);
