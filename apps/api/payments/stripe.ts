import { newsOf, type WebhookProvider } from './webhook-provider.js';

/** Seconds that a signature may be old. */
const TOLERANCE = 300;

/** Stripe, by its own library: no key and no network are needed to check a signature. */
export const stripe: WebhookProvider = {
  name: 'stripe',
  signatureHeader: 'stripe-signature',
  secretMember: 'stripeWebhookSecret',
  async read(body, headers, secret) {
    // large, and most processes never hear a webhook of it
    const { default: Stripe } = await import('stripe');
    const signature = headers['stripe-signature'] ?? '';
    const event = Stripe.webhooks.constructEvent(body, signature, secret, TOLERANCE);
    if (event.type !== 'payment_intent.succeeded' && event.type !== 'payment_intent.payment_failed')
      return null;
    const intent = event.data.object;
    const isPaid = event.type === 'payment_intent.succeeded';
    const error = intent.last_payment_error;
    return newsOf('stripe', {
      eventId: event.id,
      outcome: isPaid ? 'succeeded' : 'failed',
      metadata: intent.metadata,
      reference: intent.id,
      amount: isPaid ? intent.amount_received : intent.amount,
      currency: intent.currency,
      methodReference: isPaid ? intent.payment_method : error?.payment_method?.id,
      reason: error?.decline_code ?? error?.code,
    });
  },
};
