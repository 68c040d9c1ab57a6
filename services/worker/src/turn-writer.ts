import { type ConversationTurn, type GeneratePayload, type GenerationResult, ModelManagerError } from '@aimm/contracts';
import type { Database } from '@aimm/database';
import { type JobContext, type Producer, toConversationTurn, toSharedResult } from '@aimm/queue';
import type { Logger } from '@aimm/runtime';
import { createDatabaseGate } from './database-gate.ts';

type Followers = Awaited<ReturnType<JobContext['settle']>>;

/** Adds answers to the conversations that they are turns of. Whoever waits for one is answered before. */
export interface TurnWriter {
  /** Resolves once the turn, and those of all who were answered with it, are safe: in the database, or in the queue that brings them there. */
  record(payload: GeneratePayload, result: GenerationResult, followers: Followers): Promise<void>;
  /** Straight to the database; false where the conversation has gone on without it, or is gone. @throws unavailable */
  recordNow(turn: ConversationTurn): Promise<boolean>;
}

export interface TurnWriterOptions {
  database: () => Promise<Database>;
  producer: Pick<Producer, 'addTurn'>;
  logger: Logger;
  /** Past this the database counts as down; a late success does no harm, a request having one turn. */
  patienceMs?: number;
}

/** A database that took no turn is not asked again for so long. */
const downForMs = 5_000;

export function createTurnWriter({ database, producer, logger, patienceMs = 5_000 }: TurnWriterOptions): TurnWriter {
  const gate = createDatabaseGate({ database, patienceMs, downForMs });
  const recordNow = (turn: ConversationTurn) =>
    gate.ask(async ({ conversations }) => {
      try {
        await conversations.appendTurn(turn);
        return true;
      } catch (error) {
        if (!(error instanceof ModelManagerError) || error.code !== 'invalid_request') throw error;
        const { id: conversationId, requestId } = turn;
        logger.warn({ conversationId, requestId }, 'A turn was not added: its conversation is not what it follows');
        return false;
      }
    });

  const persist = async (turn: ConversationTurn) => {
    if (!gate.isDown()) {
      try {
        await recordNow(turn);
        return;
      } catch (error) {
        logger.warn({ reason: (error as Error).message }, 'The database takes no turn of a conversation; queueing it');
      }
    }
    await producer.addTurn(turn);
  };

  return {
    recordNow,
    async record(payload, result, followers) {
      const { request } = payload;
      const at = Date.now();
      // Who shares an answer has asked the same, to the last message.
      const others = followers.map((follower) =>
        toConversationTurn({ ...follower, request }, toSharedResult(result, follower.requestId), at),
      );
      const turns = [toConversationTurn(payload, result, at), ...others];
      await Promise.all(turns.flatMap((turn) => (turn === undefined ? [] : [persist(turn)])));
    },
  };
}
