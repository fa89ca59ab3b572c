import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import type { SecretMember } from '#libs/commands/catalog';
import type { PaymentNews } from '#libs/commands/payments';
import { Problem } from '#libs/kernel';

/** A provider that tells by webhooks what became of payments. */
export interface WebhookProvider {
  readonly name: PaymentNews['provider'];
  /** Says that a webhook is this provider's. */
  readonly signatureHeader: string;
  readonly secretMember: SecretMember;
  /**
   * Checks the signature over the very bytes that came, and that it is at most 5 minutes old: by the wall clock, as
   * providers sign by it in test environments too.
   * @returns null for what says nothing of an invoice. @throws Error where the signature is not valid
   */
  read(body: Buffer, headers: IncomingHttpHeaders, secret: string): Promise<PaymentNews | null>;
}

/**
 * What a provider has signed, read.
 * @throws Problem `webhook_signature_invalid`: why its library refuses stays with us, it may tell a forger what to change
 */
export async function readSigned(
  provider: WebhookProvider,
  body: Buffer,
  headers: IncomingHttpHeaders,
  secret: string,
): Promise<PaymentNews | null> {
  try {
    // the libraries sign texts: bytes that are none would be replaced first
    if (isUtf8(body)) return await provider.read(body, headers, secret);
  } catch {
    // told below
  }
  throw new Problem(
    'webhook_signature_invalid',
    'The signature does not fit the body, the secret and the time.',
  );
}

const ID = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;
const VISIBLE = /^[\x21-\x7e]{1,255}$/;

/** What a payment says in the terms of the provider. */
export interface ToldPayment {
  readonly eventId: unknown;
  readonly outcome: PaymentNews['outcome'];
  readonly metadata: unknown;
  readonly reference: unknown;
  readonly amount: unknown;
  readonly currency: unknown;
  readonly methodReference: unknown;
  readonly reason: unknown;
}

/** Null: it names no invoice of ours, or is not what the provider documents. */
export function newsOf(name: PaymentNews['provider'], told: ToldPayment): PaymentNews | null {
  const { eventId, outcome, metadata, reference, amount, currency, methodReference, reason } = told;
  const { invoiceId } = (metadata ?? {}) as { readonly invoiceId?: unknown };
  if (!isText(invoiceId, ID) || !isText(eventId, VISIBLE) || !isText(reference, VISIBLE)) return null;
  if (!Number.isSafeInteger(amount) || !isText(currency, /^[A-Za-z]{3}$/)) return null;
  return {
    provider: name,
    eventId,
    outcome,
    invoiceId,
    reference,
    amount: amount as number,
    currency: currency.toUpperCase(),
    methodReference: isText(methodReference, VISIBLE) ? methodReference : undefined,
    reason: isText(reason, VISIBLE) ? reason : 'payment_failed',
  };
}

const isText = (value: unknown, pattern: RegExp): value is string =>
  typeof value === 'string' && pattern.test(value);
