import type { AccessScope, ClientBudget, ClientLimits } from '@aimm/contracts';

/** Who asks. Owns what it asks for; sees no other client's requests unless `admin`. */
export interface Caller {
  client: string;
  admin: boolean;
  /** What its access token lets it do; absent: it came without one and may do all of it. */
  scopes?: readonly AccessScope[] | undefined;
  /** Of its access token, in place of what the configuration says of the client. */
  limits?: ClientLimits | undefined;
  /** Of its access token, besides those of the configuration. */
  budgets?: readonly ClientBudget[] | undefined;
}
