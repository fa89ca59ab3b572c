import { createHmac, randomBytes } from 'node:crypto';
import type { Answer, Client, ExtraHeaders } from './client.js';

/** Webhooks as providers send them, signed by hand: independent of the libraries that check them. */

export const STRIPE_SECRET = `whsec_${'k'.repeat(32)}`;
export const DODO_SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;

export interface Told {
  readonly invoiceId?: string;
  readonly amount?: number;
  readonly currency?: string;
  readonly eventId?: string;
  readonly paymentId?: string;
  readonly methodReference?: string;
}

export interface Webhook {
  readonly body: string;
  readonly headers: ExtraHeaders;
}

const now = (): number => Math.floor(Date.now() / 1000);
const id = (prefix: string): string => `${prefix}_${randomBytes(12).toString('hex')}`;
const metadataOf = ({ invoiceId }: Told) => (invoiceId === undefined ? {} : { invoiceId });

/** The shape that Stripe's API version 2025-09-30 sends. */
export function stripeWebhook(
  type: string,
  told: Told = {},
  { secret = STRIPE_SECRET, at = now() } = {},
): Webhook {
  const { amount = 595, currency = 'eur', eventId = id('evt'), paymentId = id('pi') } = told;
  const isPaid = type === 'payment_intent.succeeded';
  const method = told.methodReference ?? 'pm_1RecordedCard';
  const card = { id: method, object: 'payment_method', type: 'card', card: { brand: 'visa', last4: '0341' } };
  const body = JSON.stringify(
    {
      id: eventId,
      object: 'event',
      api_version: '2025-09-30.clover',
      created: at,
      data: {
        object: {
          id: paymentId,
          object: 'payment_intent',
          amount,
          amount_capturable: 0,
          amount_received: isPaid ? amount : 0,
          currency,
          customer: 'cus_Recorded',
          last_payment_error: isPaid
            ? null
            : {
                code: 'card_declined',
                decline_code: 'insufficient_funds',
                type: 'card_error',
                payment_method: card,
              },
          latest_charge: 'ch_Recorded',
          livemode: false,
          metadata: metadataOf(told),
          payment_method: isPaid ? method : null,
          status: isPaid ? 'succeeded' : 'requires_payment_method',
        },
      },
      livemode: false,
      pending_webhooks: 1,
      request: { id: 'req_Recorded', idempotency_key: null },
      type,
    },
    null,
    2, // as Stripe writes it: whoever parses and writes it anew signs other bytes
  );
  const v1 = createHmac('sha256', secret).update(`${at}.${body}`).digest('hex');
  return { body, headers: { 'Stripe-Signature': `t=${at},v1=${'0'.repeat(64)},v1=${v1}` } };
}

/** The shape of Dodo Payments' outgoing webhooks. */
export function dodoWebhook(
  type: string,
  told: Told = {},
  { secret = DODO_SECRET, at = now() } = {},
): Webhook {
  const { amount = 595, currency = 'EUR', eventId = id('msg'), paymentId = id('pay') } = told;
  const isPaid = type === 'payment.succeeded';
  const body = JSON.stringify({
    business_id: 'bus_Recorded',
    type,
    timestamp: new Date(at * 1000).toISOString(),
    data: {
      payload_type: 'Payment',
      payment_id: paymentId,
      total_amount: amount,
      currency,
      status: isPaid ? 'succeeded' : 'failed',
      metadata: metadataOf(told),
      payment_method: 'card',
      payment_method_id: told.methodReference ?? null,
      error_code: isPaid ? null : 'CARD_DECLINED',
      customer: { customer_id: 'cus_Recorded', email: 'ada@example.com', name: 'Ada Lovelace' },
    },
  });
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', key).update(`${eventId}.${at}.${body}`).digest('base64');
  const headers = {
    'webhook-id': eventId,
    'webhook-timestamp': String(at),
    'webhook-signature': `v1,${'A'.repeat(43)}= v1,${signature}`,
  };
  return { body, headers };
}

/** Sends a webhook to a tenant's environment. The client has no key. */
export const deliver = (
  client: Client,
  { body, headers }: Webhook,
  merchantId = 'default.test',
): Promise<Answer> => client.post(`/v1/public/webhook/${merchantId}`, body, headers);
