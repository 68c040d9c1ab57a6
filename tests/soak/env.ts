/** What `npm run soak` was told; the seed is `FAULT_SEED`. */
export interface SoakSettings {
  minutes: number;
  database: 'sqlite' | 'postgresql';
  /** Requests a second, on average. */
  rate: number;
  roundSeconds: number;
}

export function loadSoakSettings(env: Readonly<Record<string, string | undefined>> = process.env): SoakSettings {
  const { SOAK_MINUTES = '10', SOAK_DATABASE = 'sqlite', SOAK_RATE = '4', SOAK_ROUND_SECONDS = '30' } = env;
  if (SOAK_DATABASE !== 'sqlite' && SOAK_DATABASE !== 'postgresql')
    throw new Error('SOAK_DATABASE: sqlite or postgresql');
  return {
    minutes: toPositive('SOAK_MINUTES', SOAK_MINUTES),
    database: SOAK_DATABASE,
    rate: toPositive('SOAK_RATE', SOAK_RATE),
    roundSeconds: toPositive('SOAK_ROUND_SECONDS', SOAK_ROUND_SECONDS),
  };
}

function toPositive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name}: expected a number above 0, not ${text}`);
  return value;
}
