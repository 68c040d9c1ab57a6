import type { Handler } from '@aimm/queue';
import { waitForDatabase } from '../database-away.ts';
import type { TurnWriter } from '../turn-writer.ts';

/** Brings a conversation's turn to a database that was down when it was answered; tries until it takes it. */
export function createPersistTurn(turns: Pick<TurnWriter, 'recordNow'>): Handler<'persist-turn'> {
  return async ({ turn }) => {
    try {
      return { value: { added: await turns.recordNow(turn) } };
    } catch (cause) {
      throw waitForDatabase('The database takes no turns yet.', cause);
    }
  };
}
