-- AlterTable
ALTER TABLE "usage_rollups" ADD COLUMN "demo_nano_usd" BIGINT NOT NULL DEFAULT 0;
