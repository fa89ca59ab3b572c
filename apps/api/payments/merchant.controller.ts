import { Body, Controller, Get, Inject, Patch, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { DUE_DAYS, NUMBER_PREFIX, withoutUnset, type Document, type Merchant } from '#libs/catalog';
import { CATALOG_PORTS, readMerchant, updateMerchant, type CatalogPorts } from '#libs/commands/catalog';
import { withNulls } from '../credits/answered.js';
import {
  answerRead,
  answerWrite,
  ApiIdempotencyKey,
  NoQuery,
  Read,
  ReadQuery,
  Write,
  type ReadCall,
  type WriteCall,
} from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import { MerchantBody } from './merchant.dto.js';
import { secretOf, secretPlace, WEBHOOK_PROVIDERS } from './providers.js';

/** Settings of an environment: tax, numbers and terms of invoices, who sends them, and how they are collected. */
@ApiTags('Merchant')
@ApiBearerAuth()
@Controller('v1/merchant')
export class MerchantController {
  constructor(
    @Inject(CATALOG_PORTS) private readonly ports: CatalogPorts,
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Read the settings of the environment',
    description: 'With the defaults of what nobody has set. Secrets are never answered.',
  })
  async get(@Read() call: ReadCall, @Query() query: ReadQuery) {
    const { eventStore } = this.runtime.current;
    await this.gate.passLog(call, query);
    // read from the log itself, so it reflects every position that anybody knows
    const position = await eventStore.head();
    const document = await readMerchant(this.ports, call.tenant);
    answerRead(call.reply, position);
    return this.answerOf(call.tenant, document);
  }

  @Patch()
  @ApiOperation({
    summary: 'Change the settings of the environment',
    description:
      'Members that are left out stay; null goes back to the default. Invoices take over what stands when their charges are fixed.',
  })
  @ApiIdempotencyKey()
  async update(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: MerchantBody) {
    const { secrets } = this.runtime.current;
    const { billFrom, dunning, ...members } = withNulls<MerchantBody>(body);
    const changes = {
      ...members,
      ...(billFrom === undefined ? {} : { billFrom: billFrom && withoutUnset({ ...billFrom }) }),
      ...(dunning === undefined ? {} : { dunning: dunning && { ...dunning } }),
    };
    const written = await updateMerchant(
      this.ports,
      context,
      changes,
      secrets && ((member, secret) => secrets.seal(secretPlace(context.tenant, member), secret)),
    );
    answerWrite(reply, { ...written, created: false });
    return this.answerOf(context.tenant, written.document);
  }

  private answerOf(tenant: string, document: Document<Merchant> | null) {
    const { secrets } = this.runtime.current;
    const { attributes, updatedAt = null } = document ?? { attributes: {} };
    const { taxRate, taxName, invoicePrefix, paymentTermsDays, billFrom, dunning } = attributes;
    const configured = WEBHOOK_PROVIDERS.filter(
      (provider) => secretOf(provider, tenant, attributes, secrets) !== null,
    );
    return {
      id: tenant,
      taxRate: taxRate ?? null,
      taxName: taxName ?? null,
      invoicePrefix: invoicePrefix ?? NUMBER_PREFIX,
      paymentTermsDays: paymentTermsDays ?? DUE_DAYS,
      billFrom: billFrom ?? null,
      dunning: dunning ?? null,
      /** Those whose webhooks are accepted. */
      paymentProviders: ['manual', ...configured.map(({ name }) => name)],
      webhookPath: `/v1/public/webhook/${tenant}`,
      updatedAt,
    };
  }
}
