import { ModelManagerError } from '@aimm/contracts';

const maxFaults = 20;

/** Gathers what is wrong with a file, so that a user hears of it all at once. */
export interface Faults {
  readonly any: boolean;
  /** `place` such as `line 3`. @throws ModelManagerError once there are as many as anybody reads */
  add(place: string, ...faults: readonly string[]): void;
  /** @throws ModelManagerError `invalid_request` where there is any */
  end(): void;
}

export function createFaults(name: string): Faults {
  const found: string[] = [];
  const fail = (more: boolean): never => {
    const end = more ? ['- There may be more: reading ended here.'] : [];
    throw new ModelManagerError('invalid_request', [`${name} cannot be used:`, ...found, ...end].join('\n'), {
      hint: `Nothing was started. Correct ${found.length === 1 ? 'this' : 'these'} and start again.`,
    });
  };
  return {
    get any() {
      return found.length > 0;
    },
    add(place, ...faults) {
      for (const fault of faults) {
        found.push(`- ${place}: ${fault.replace(/^- /, '')}`);
        if (found.length >= maxFaults) fail(true);
      }
    },
    end() {
      if (found.length > 0) fail(false);
    },
  };
}
