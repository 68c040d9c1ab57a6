import { createContext, Script } from 'node:vm';
import { compileJsonSchema, type FindFaults } from '@aimm/runtime';

/** Patterns come from users: one that backtracks without end must not hold the process. */
const matchWithinMs = 100;
const maxSchemas = 200;

/** What evaluating needs and is dear to make: keep one for many answers. */
export interface AssertionChecks {
  /** Undefined: it took longer than {@link matchWithinMs}. */
  matches(pattern: RegExp, text: string): boolean | undefined;
  /** @throws JsonSchemaError */
  compile(schema: object): Promise<FindFaults>;
}

export { matchWithinMs };

export function createAssertionChecks(): AssertionChecks {
  const script = new Script('pattern.test(text)');
  const context = createContext({});
  const compiled = new Map<string, FindFaults>();
  return {
    matches(pattern, text) {
      Object.assign(context, { pattern, text });
      try {
        return script.runInContext(context, { timeout: matchWithinMs }) === true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
        return undefined;
      } finally {
        Object.assign(context, { pattern: undefined, text: undefined });
      }
    },
    async compile(schema) {
      const key = JSON.stringify(schema);
      const known = compiled.get(key);
      if (known !== undefined) return known;
      const check = await compileJsonSchema(schema);
      if (compiled.size >= maxSchemas) compiled.clear();
      compiled.set(key, check);
      return check;
    },
  };
}
