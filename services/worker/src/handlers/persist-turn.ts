import { ModelManagerError } from '@aimm/contracts';
import type { Handler } from '@aimm/queue';
import type { TurnWriter } from '../turn-writer.ts';

/** Brings a conversation's turn to a database that was down when it was answered; tries until it takes it. */
export function createPersistTurn(turns: TurnWriter): Handler<'persist-turn'> {
  return async ({ turn }) => {
    try {
      return { value: { added: await turns.recordNow(turn) } };
    } catch (cause) {
      throw new ModelManagerError('unavailable', 'The database takes no turns yet.', { retryable: true, cause });
    }
  };
}
