import type { Finding } from './finding.ts';

const dayMs = 86_400_000;
/** Vendors change prices and models by the month. */
const goodForDays = 90;

/** Whether somebody compared config/models.json with the vendors lately. `now` in epoch milliseconds. */
export function checkCatalogAge(checkedOn: string, now: number): Finding {
  const check = 'Model catalog';
  const days = Math.floor((now - Date.parse(checkedOn)) / dayMs);
  if (days <= goodForDays) return { check, state: 'ok', says: `Checked on ${checkedOn}.` };
  return {
    check,
    state: 'warning',
    says: `config/models.json was last checked on ${checkedOn}, ${days} days ago: models and prices may have changed.`,
    mend: '`aimm models update` refreshes it from models.dev.',
  };
}
