import type { Changes, Document, Merchant } from '#libs/catalog';
import { issue } from '#libs/kernel';
import type { CommandContext } from '../stream-kind.js';
import { MERCHANT, merchants } from './catalog-kinds.js';
import {
  canonicalAmount,
  updateDocument,
  type CatalogPorts,
  type DocumentWritten,
} from './catalog-writer.js';

/** Encrypts what is kept of a webhook secret; null: this installation keeps no secrets. */
export type SealSecret = ((member: SecretMember, secret: string) => string) | null;

export const SECRET_MEMBERS = ['stripeWebhookSecret', 'dodoWebhookSecret'] as const;
export type SecretMember = (typeof SECRET_MEMBERS)[number];

/** Members to change; null unsets. Secrets are in clear text here, and nowhere behind this. */
export type MerchantChanges = Changes<Omit<Merchant, 'taxRate'>> & {
  readonly taxRate?: string | number | null | undefined;
};

/** The settings as the log says they stand; null: nobody has set any. */
export async function readMerchant(
  { writer }: CatalogPorts,
  tenant: string,
): Promise<Document<Merchant> | null> {
  return (await writer.read(merchants, tenant, MERCHANT)).state;
}

/** Changes the settings of the environment; the first change makes them. @throws Problem `validation_failed` */
export function updateMerchant(
  ports: CatalogPorts,
  context: CommandContext,
  input: MerchantChanges,
  seal: SealSecret,
): Promise<DocumentWritten<Merchant>> {
  const { taxRate } = input;
  const changes: Record<string, unknown> = { ...input };
  if (taxRate != null) changes['taxRate'] = canonicalAmount(taxRate);
  const issues = SECRET_MEMBERS.flatMap((member) => {
    const secret = input[member];
    if (secret == null) return [];
    delete changes[member];
    if (!seal) return [issue(`/${member}`, 'secrets_key_missing', 'The server has no key to keep it with.')];
    changes[member] = seal(member, secret);
    return [];
  });
  const request = { context, operation: 'merchant.update', id: MERCHANT, issues };
  // what is compared when the key is used again is the sealed text too: it is the same for the same secret
  return updateDocument(ports, merchants, { ...request, input: changes as never, changes });
}
