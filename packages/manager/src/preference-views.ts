import type { PreferenceSettings } from '@aimm/contracts';

/** A name and what it stands for. */
export interface PreferenceView {
  name: string;
  scope: 'own' | 'everybody' | 'built_in';
  /** `provider/model`, or a pool; none for settings alone, and where a tier is chosen from. */
  models: string[];
  settings: PreferenceSettings;
  /** The same in words. */
  means: string;
  updatedAt?: number | undefined;
  /** Another of that name holds once this one is removed. */
  hides?: boolean | undefined;
  /** What has its name by now, so that it is not used. */
  hiddenBy?: string | undefined;
}

export interface PreferenceList {
  client: string;
  /** `default` and `auto` first, where there are such; then aliases by name. */
  preferences: PreferenceView[];
}

/** Without models and settings the preference is removed. */
export interface PreferenceEdit {
  name: string;
  models?: string[] | undefined;
  settings?: PreferenceSettings | undefined;
  /** Whose; default the caller's own. `*` is everybody's; others than its own are for `admin`. */
  client?: string | undefined;
}

export interface PreferenceChange {
  change: 'set' | 'removed' | 'none';
  name: string;
  /** What holds under this name now. */
  inForce?: PreferenceView | undefined;
  warnings: string[];
}
