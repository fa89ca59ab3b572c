import type { Merchant } from '#libs/catalog';
import type { SecretMember } from '#libs/commands/catalog';
import type { Secrets } from '#libs/commands/payments';
import { dodo } from './dodo.js';
import { stripe } from './stripe.js';
import type { WebhookProvider } from './webhook-provider.js';

export const WEBHOOK_PROVIDERS: readonly WebhookProvider[] = [stripe, dodo];

/** Where a secret is sealed: it opens there only. */
export const secretPlace = (tenant: string, member: SecretMember): string => `${tenant}/${member}`;

/** The secret that an environment has set; null: none, or none that opens with the key of this installation. */
export function secretOf(
  { secretMember }: WebhookProvider,
  tenant: string,
  merchant: Merchant,
  secrets: Secrets | null,
): string | null {
  const sealed = merchant[secretMember];
  return sealed === undefined || !secrets ? null : secrets.open(secretPlace(tenant, secretMember), sealed);
}
