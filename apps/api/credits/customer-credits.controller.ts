import { Controller, Get, Param, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { issue, parseInstant, Problem } from '#libs/kernel';
import { resolveCustomer, settleAccount } from '#libs/commands/credits';
import type { KnownUntil } from '#libs/read-models';
import {
  CustomerBalances,
  CustomerGrants,
  CustomerHolds,
  CustomerRenewals,
  CustomerTransactions,
} from '#libs/read-models/queries';
import { streamName } from '#libs/event-types';
import { answerPage, answerRead, pageOf, Read, type ReadCall, type ReadQuery } from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import { isExternal } from './answered.js';
import {
  BalancesQuery,
  GrantsQuery,
  HoldsQuery,
  RenewalsQuery,
  TransactionsQuery,
  type CustomerQuery,
} from './credits.dto.js';

/** What a customer has, and how it came to be. */
@ApiTags('Credits')
@ApiBearerAuth()
@Controller('v1/credits/customers/:id')
export class CustomerCreditsController {
  constructor(
    private readonly queries: QueryBus,
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Get('grants')
  @ApiOperation({ summary: 'List a customer’s grants' })
  async grants(@Read() call: ReadCall, @Query() query: GrantsQuery, @Param('id') id: string) {
    const customerId = await this.customer(call, query, id);
    const { status, applicationType } = query;
    const { data, nextKey, position } = await this.queries.execute(
      new CustomerGrants(
        call.tenant,
        customerId,
        { status, applicationType },
        pageOf(call, query),
        this.now(call),
      ),
    );
    this.gate.answer(call, query, position);
    return answerPage(call, data, nextKey);
  }

  @Get('holds')
  @ApiOperation({ summary: 'List a customer’s holds' })
  async holds(@Read() call: ReadCall, @Query() query: HoldsQuery, @Param('id') id: string) {
    const customerId = await this.customer(call, query, id);
    const { status, unit } = query;
    const { data, nextKey, position } = await this.queries.execute(
      new CustomerHolds(call.tenant, customerId, { status, unit }, pageOf(call, query), this.now(call)),
    );
    this.gate.answer(call, query, position);
    return answerPage(call, data, nextKey);
  }

  @Get('renewals')
  @ApiOperation({ summary: 'List a customer’s renewal series' })
  async renewals(@Read() call: ReadCall, @Query() query: RenewalsQuery, @Param('id') id: string) {
    const customerId = await this.customer(call, query, id);
    const { data, nextKey, position } = await this.queries.execute(
      new CustomerRenewals(call.tenant, customerId, { status: query.status }, pageOf(call, query)),
    );
    this.gate.answer(call, query, position);
    return answerPage(call, data, nextKey);
  }

  @Get('transactions')
  @ApiOperation({ summary: 'List every movement of a customer’s credit' })
  async transactions(@Read() call: ReadCall, @Query() query: TransactionsQuery, @Param('id') id: string) {
    const customerId = await this.customer(call, query, id);
    const { type, grantId, unit, fromDate, toDate } = query;
    const filters = { type, grantId, unit, fromDate: instantOf(fromDate), toDate: instantOf(toDate) };
    const { data, nextKey, position } = await this.queries.execute(
      new CustomerTransactions(call.tenant, customerId, filters, pageOf(call, query)),
    );
    this.gate.answer(call, query, position);
    return answerPage(call, data, nextKey);
  }

  @Get('balances')
  @ApiOperation({ summary: 'Read a customer’s balances, unit by unit' })
  async balances(@Read() call: ReadCall, @Query() query: BalancesQuery, @Param('id') id: string) {
    const customerId = await this.customer(call, query, id);
    if (query.at !== undefined || query.knownAt !== undefined)
      return this.balancesAsOf(call, query, customerId);
    const ask = () =>
      this.queries.execute(
        new CustomerBalances(call.tenant, customerId, { unit: query.unit }, this.now(call)),
      );
    let { needsSettling, ...answer } = await ask();
    if (needsSettling) {
      await this.settle(call, customerId);
      ({ needsSettling, ...answer } = await ask());
    }
    this.gate.answer(call, query, BigInt(answer.position));
    return answer;
  }

  /** Answered from the log itself: what was known at some time, about some time. */
  private async balancesAsOf(call: ReadCall, { unit, at, knownAt }: BalancesQuery, customerId: string) {
    const { readModels, credits } = this.runtime.current;
    const answer = await readModels.balancesAsOf(
      streamName(credits.account.category, call.tenant, customerId),
      customerId,
      { unit, at: instantOf(at) ?? this.now(call), known: knownUntil(knownAt) },
    );
    answerRead(call.reply, BigInt(answer.position));
    return answer;
  }

  /** Records that a grant which has become effective paid what was owed: only the account itself knows how much. */
  private async settle({ tenant, request }: ReadCall, customerId: string): Promise<void> {
    const { credits, readModels } = this.runtime.current;
    const { position } = await settleAccount(
      credits,
      { tenant, actor: 'time', correlationId: request.id },
      customerId,
    );
    await readModels.waitForPosition(position);
  }

  private now({ tenant }: ReadCall): number {
    return this.runtime.current.clocks.now(tenant);
  }

  /** The customer's own id, once the read models show what this process wrote to the account. */
  private async customer(call: ReadCall, query: CustomerQuery & ReadQuery, id: string): Promise<string> {
    const external = isExternal(query);
    const { credits } = this.runtime.current;
    const customer = await resolveCustomer(credits, call.tenant, { id, external });
    // what cannot be settled now is answered as it is recorded
    await credits.settleBilling(call.tenant, customer.id).catch(() => undefined);
    await this.gate.pass(call, query, customer.id);
    return customer.id;
  }
}

function knownUntil(knownAt: string | undefined): KnownUntil {
  if (knownAt === undefined) return undefined;
  if (/^\d+$/.test(knownAt)) return { position: BigInt(knownAt) };
  const recordedAt = parseInstant(knownAt);
  if (recordedAt === null)
    throw new Problem('invalid_query_parameter', 'knownAt must be a time or a position.', [
      issue(
        '?knownAt',
        'instant_invalid',
        'knownAt must be a time such as 2026-01-31T12:00:00Z, or a position.',
      ),
    ]);
  return { recordedAt };
}

const instantOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : (parseInstant(text) ?? undefined);
