-- AlterTable
ALTER TABLE "batch_generations" ADD COLUMN "passed" BOOLEAN;
