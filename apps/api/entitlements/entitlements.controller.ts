import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiParam, ApiQuery, ApiSecurity, ApiTags } from '@nestjs/swagger';
import { SLUG } from '#libs/catalog';
import { resolveCustomer } from '#libs/commands/credits';
import { issue, parseInstant, Problem, type Instant } from '#libs/kernel';
import { ForKeys } from '../auth.js';
import { isExternal } from '../credits/answered.js';
import { answerRead, Read, ReadInput, type ReadCall } from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import { checkEntitlements, type EntitlementAnswers } from './check.js';
import { EntitlementsQuery, FeatureSlugsBody } from './entitlements.dto.js';

/** May this customer do this, and how much is left? Checks only: whoever uses something reports it as usage. */
@ApiTags('Entitlements')
@ApiBearerAuth()
@ApiSecurity('publishable')
@ForKeys('secret', 'publishable')
@Controller('v1/entitlements/:customerId')
export class EntitlementsController {
  constructor(
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Check every feature for a customer' })
  async all(@Read() call: ReadCall, @Query() query: EntitlementsQuery, @Param('customerId') id: string) {
    const customerId = await this.customerId(call, query, id);
    const entitlements = (await this.check(call, query, [customerId], null))[0]!;
    return { customerId, entitlements };
  }

  @Get('feature/:slug')
  @ApiOperation({
    summary: 'Check one feature for a customer',
    description:
      'Precedence: credits, override, plan, default. A feature that does not exist is not entitled.',
  })
  @ApiParam({ name: 'slug', type: String })
  @ApiParam({ name: 'customerId', type: String })
  @ApiQuery({ type: EntitlementsQuery })
  async one(@ReadInput(EntitlementsQuery) call: ReadInput<EntitlementsQuery, 'customerId' | 'slug'>) {
    const { query, params } = call;
    const { customerId: id, slug } = params;
    if (!SLUG.test(slug))
      throw new Problem('malformed_request', `${JSON.stringify(slug)} is no slug of a feature.`, [
        issue('/slug', 'slug_invalid', 'slug must be 1 to 64 of a-z, 0-9 and "-".'),
      ]);
    const customerId = await this.customerId(call, query, id);
    return (await this.check(call, query, [customerId], [slug]))[0]![0];
  }

  @Post('features')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Check some features for a customer',
    description: 'One answer for every slug, in the order asked; those that do not exist are not entitled.',
  })
  async some(
    @Read() call: ReadCall,
    @Query() query: EntitlementsQuery,
    @Param('customerId') id: string,
    @Body() { featureSlugs }: FeatureSlugsBody,
  ) {
    if (featureSlugs.length === 0)
      throw new Problem('malformed_request', 'featureSlugs is empty.', [
        issue('/featureSlugs', 'length', 'featureSlugs names at least one feature.'),
      ]);
    const customerId = await this.customerId(call, query, id);
    const entitlements = (await this.check(call, query, [customerId], featureSlugs))[0]!;
    return { customerId, entitlements };
  }

  @Get('seat-aware')
  @ApiOperation({
    summary: 'Check every feature for every customer of an organisation',
    description: 'Of a customer without an organisation, for this one alone.',
  })
  async seatAware(
    @Read() call: ReadCall,
    @Query() query: EntitlementsQuery,
    @Param('customerId') id: string,
  ) {
    const { readModels, credits } = this.runtime.current;
    const { tenant } = call;
    const customer = await resolveCustomer(credits, tenant, { id, external: isExternal(query) });
    await this.gate.pass(call, query, customer.id);
    const organizationId = customer.attributes.customerOrganizationId ?? customer.id;
    const members = await readModels.organizationMembers(tenant, organizationId);
    const customerIds = [...new Set([organizationId, ...members])];
    const customers = await Promise.all(
      customerIds.map(async (one) => credits.catalog.customer(tenant, one)),
    );
    const answers = await this.check(call, query, customerIds, null);
    return {
      customerId: customer.id,
      entitlements: answers.flatMap((entitlements, index) =>
        entitlements.map((one) => ({
          customerId: customerIds[index]!,
          externalCustomerId: customers[index]?.attributes.externalCustomerId ?? null,
          ...one,
        })),
      ),
    };
  }

  /** Whether there is such a customer is asked with the rest. */
  private async customerId(call: ReadCall, query: EntitlementsQuery, id: string): Promise<string> {
    const { credits } = this.runtime.current;
    const customerId = isExternal(query)
      ? (await resolveCustomer(credits, call.tenant, { id, external: true })).id
      : id;
    await this.gate.pass(call, query, customerId);
    return customerId;
  }

  private async check(
    call: ReadCall,
    query: EntitlementsQuery,
    customerIds: readonly string[],
    slugs: readonly string[] | null,
  ): Promise<EntitlementAnswers['customers']> {
    const { tenant } = call;
    const at: Instant | null = query.at === undefined ? null : parseInstant(query.at);
    if (at !== null && at > this.runtime.current.clocks.now(tenant))
      throw new Problem('timestamp_in_future', 'at lies ahead of now.', [
        issue('?at', 'timestamp_in_future', 'at must not lie ahead of now.'),
      ]);
    const { customers, position } = await checkEntitlements(this.runtime.current, {
      tenant,
      customerIds,
      slugs,
      at: at ?? undefined,
      atLeast: this.gate.wanted(call, query, customerIds[0]!),
    });
    // of a time before it is answered from streams, which may not have gone on for long
    if (at === null) this.gate.answer(call, query, position);
    else answerRead(call.reply, position);
    return customers;
  }
}
