-- AlterTable
ALTER TABLE "batch_submissions" ADD COLUMN "unanswered" INTEGER NOT NULL DEFAULT 0;
