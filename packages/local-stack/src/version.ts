import manifest from '../package.json' with { type: 'json' };

/** All workspaces carry one version. */
export const version: string = manifest.version;
