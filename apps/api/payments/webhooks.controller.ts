import { Controller, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { receivePayment } from '#libs/commands/payments';
import { Problem } from '#libs/kernel';
import { Public } from '../auth.js';
import { answerRead, RAW_BODY } from '../http/index.js';
import { RuntimeRef } from '../runtime-ref.js';
import { secretOf, WEBHOOK_PROVIDERS } from './providers.js';
import { readSigned } from './webhook-provider.js';

/** As tenants are named in streams. */
const MERCHANT_ID = /^[A-Za-z0-9]{1,64}(\.test)?$/;

/** What payment providers tell. The signature is the key. */
@ApiTags('Payments')
@Public()
@Controller('v1/public')
export class WebhooksController {
  constructor(private readonly runtime: RuntimeRef) {}

  @Post(['webhook/:merchantId', 'webhook-dodo/:merchantId'])
  @HttpCode(200)
  @RouteConfig(RAW_BODY)
  @ApiBody({ type: Object })
  @ApiOperation({
    summary: 'Tell what became of a payment',
    description:
      'For Stripe (`payment_intent.succeeded`, `payment_intent.payment_failed`) and Dodo Payments (`payment.succeeded`, `payment.failed`), which name the invoice in the metadata as `invoiceId`. Other events are accepted and ignored. The same event counts once, for ever.',
  })
  async receive(
    @Req() { id, headers, body }: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Param('merchantId') tenant: string,
  ) {
    const { catalog, clocks, invoices, secrets, eventStore, logger } = this.runtime.current;
    const provider = WEBHOOK_PROVIDERS.find(({ signatureHeader }) => signatureHeader in headers);
    const merchant = MERCHANT_ID.test(tenant) ? await catalog.merchant(tenant) : null;
    const secret = provider && merchant ? secretOf(provider, tenant, merchant.attributes, secrets) : null;
    if (!provider || secret === null) throw new Problem('not_found', 'Nobody expects this webhook here.');

    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    const news = await readSigned(provider, bytes, headers, secret);
    if (!news) {
      answerRead(reply, await eventStore.head());
      return { received: true, outcome: 'ignored' };
    }
    await clocks.sync(tenant);
    const context = { tenant, actor: provider.name, correlationId: id };
    const { outcome, position, replayed } = await receivePayment(invoices, context, news);
    if (outcome === 'unmatched' && !replayed)
      logger.warn({ tenant, provider: provider.name, payment: news.reference }, 'money without an invoice');
    answerRead(reply, position);
    if (replayed) void reply.header('Idempotent-Replayed', 'true');
    return { received: true, outcome };
  }
}
