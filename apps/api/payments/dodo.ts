import { Webhook } from 'standardwebhooks';
import { newsOf, type WebhookProvider } from './webhook-provider.js';

/** As much of a webhook of Dodo Payments as is read. */
interface DodoEvent {
  readonly type: string;
  readonly data: {
    readonly payment_id: string;
    readonly total_amount: number;
    readonly currency: string;
    readonly metadata: Readonly<Record<string, unknown>>;
    readonly payment_method_id?: string | null;
    readonly error_code?: string | null;
  };
}

/** Dodo Payments, which signs as Standard Webhooks say; the library allows 5 minutes. */
export const dodo: WebhookProvider = {
  name: 'dodo',
  signatureHeader: 'webhook-signature',
  secretMember: 'dodoWebhookSecret',
  async read(body, headers, secret) {
    const event = new Webhook(secret).verify(body, headers as Record<string, string>) as DodoEvent;
    if (event.type !== 'payment.succeeded' && event.type !== 'payment.failed') return null;
    const { data } = event;
    return newsOf('dodo', {
      eventId: headers['webhook-id'],
      outcome: event.type === 'payment.succeeded' ? 'succeeded' : 'failed',
      metadata: data.metadata,
      reference: data.payment_id,
      amount: data.total_amount,
      currency: data.currency,
      methodReference: data.payment_method_id,
      reason: data.error_code,
    });
  },
};
