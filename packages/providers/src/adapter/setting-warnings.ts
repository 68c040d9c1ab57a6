import type { GenerationSettings, Warning } from '@aimm/contracts';

export type SettingName = keyof GenerationSettings;

/** That a setting is not sent. `why`: the end of a sentence. */
export function toLeftOut(setting: SettingName, why: string): Warning {
  return { code: 'unsupported_setting', setting, message: `${toFieldName(setting)} was left out: ${why}.` };
}

/** That a setting is sent as something else than was asked for. `how`: what its name is the subject of. */
export function toAdjusted(setting: SettingName, how: string): Warning {
  return { code: 'adjusted_setting', setting, message: `${toFieldName(setting)} ${how}.` };
}

/** As tools and batch files call it. */
function toFieldName(setting: SettingName): string {
  return setting === 'userId' ? 'user' : setting.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
