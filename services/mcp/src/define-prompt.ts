import type { Caller, Manager } from '@aimm/manager';

/** What a person fills in. */
interface PromptArgument {
  description: string;
  required: boolean;
  /** What may follow what is typed so far; a list is looked through by how its entries begin. @throws ModelManagerError */
  complete?: readonly string[] | ((manager: Manager, caller: Caller, begun: string) => Promise<string[]>);
}

/** Something to be asked of the client's model, in words that make it use our tools as they are meant. */
export interface Prompt {
  name: string;
  title: string;
  description: string;
  arguments: Readonly<Record<string, PromptArgument>>;
  /** What the user says, by the arguments that are filled in. */
  write: (filled: Readonly<Record<string, string | undefined>>) => string;
}

/** Names of models, separated by commas: the last one is completed. */
export async function completeModels(manager: Manager, caller: Caller, begun: string): Promise<string[]> {
  const names = begun.split(',');
  const last = (names.pop() ?? '').trim();
  const before = names.map((name) => `${name.trim()}, `).join('');
  const found = await manager.completeModel(caller, last);
  return found.filter((name) => !names.some((one) => one.trim() === name)).map((name) => before + name);
}

export const completeModel = (manager: Manager, caller: Caller, begun: string): Promise<string[]> =>
  manager.completeModel(caller, begun);
