import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { DAY, formatAmount, formatInstant } from '#libs/kernel';
import {
  amountAsked,
  drawnUnit,
  explainRecorded,
  explainUsage,
  outlookOf,
  resolveCustomer,
  settledAccount,
  type Explained,
} from '#libs/commands/credits';
import { burnDown, explanationText, minimumPurchase, unitOf, verifyAvailability } from '#libs/credits';
import { answerRead, Read, ReadQuery, type ReadCall } from '../http/index.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import { isExternal } from './answered.js';
import { askedInQuery, usageAsked } from './asked-in-query.js';
import type { CustomerQuery } from './credits.dto.js';
import { AvailabilityQuery, DEFAULT_DAYS, ExplanationQuery, OutlookQuery } from './insight.dto.js';

/** Questions that are answered from the account itself: decided as a command would be, and never behind. */
@ApiTags('Credits')
@ApiBearerAuth()
@Controller('v1/credits')
export class InsightController {
  constructor(
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Get('customers/:id/availability')
  @ApiOperation({
    summary: 'Say whether service may go on, and what must be bought if not',
    description: 'What is available must cover what is owed and, where given, the amount that is needed.',
  })
  availability(@Read() call: ReadCall, @Query() query: AvailabilityQuery, @Param('id') id: string) {
    return askedInQuery(async () => {
      const { credits } = this.runtime.current;
      const customerId = await this.customer(call, query, id);
      const usage = usageAsked(query);
      const drawn = await drawnUnit(credits, call.tenant, usage);
      const { needed, debtLimit, pack } = amountAsked(usage, drawn);
      const { state, now, position } = await settledAccount(credits, call.tenant, customerId);
      const { context, unit } = drawn;
      const account = unitOf(state, unit.id);
      const asked = { now, context, needed };
      const verdict = verifyAvailability(state, unit.id, {
        ...asked,
        ...(debtLimit === undefined ? {} : { debtLimit }),
      });
      const purchase = minimumPurchase(state, unit.id, { ...asked, ...(pack === undefined ? {} : { pack }) });
      answerRead(call.reply, position);
      return {
        customerId,
        unit: unit.id,
        at: formatInstant(now),
        position: Number(position),
        canContinue: verdict.canContinue,
        reason: verdict.canContinue ? null : verdict.reason,
        needed: formatAmount(needed),
        available: formatAmount(burnDown(account, 0n, now, now, context).availableAfter),
        held: formatAmount(account.held),
        debt: formatAmount(account.debt),
        minimumPurchase: {
          amount: formatAmount(purchase.amount),
          debt: formatAmount(purchase.debt),
          packs: purchase.packs === null ? null : Number(purchase.packs),
          availableAfter: formatAmount(purchase.availableAfter),
        },
      };
    });
  }

  @Get('customers/:id/explanation')
  @ApiProduces('application/json', 'text/plain')
  @ApiOperation({
    summary: 'Say what usage would draw, and why',
    description: 'Every grant the customer ever had, in the order of drawdown. Nothing is written.',
  })
  explanation(@Read() call: ReadCall, @Query() query: ExplanationQuery, @Param('id') id: string) {
    return askedInQuery(async () => {
      const customerId = await this.customer(call, query, id);
      const { credits } = this.runtime.current;
      return answerExplained(call, await explainUsage(credits, call.tenant, customerId, usageAsked(query)));
    });
  }

  @Get('consumptions/:id/explanation')
  @ApiProduces('application/json', 'text/plain')
  @ApiOperation({
    summary: 'Say why a consumption drew what it drew',
    description: 'Refused ones too; worked out again from the log as it stood then.',
  })
  async recorded(@Read() call: ReadCall, @Query() query: ReadQuery, @Param('id') id: string) {
    await this.gate.passLog(call, query);
    return answerExplained(call, await explainRecorded(this.runtime.current.credits, call.tenant, id));
  }

  @Get('customers/:id/outlook')
  @ApiOperation({
    summary: 'Say how long credit lasts',
    description: 'Plays expiries and renewals forward at an even rate of usage. Nothing of it is recorded.',
  })
  outlook(@Read() call: ReadCall, @Query() query: OutlookQuery, @Param('id') id: string) {
    return askedInQuery(async () => {
      const customerId = await this.customer(call, query, id);
      const days = Number(query.days ?? DEFAULT_DAYS);
      const { outlook, now, until, position } = await outlookOf(
        this.runtime.current.credits,
        call.tenant,
        customerId,
        { unit: query.unit, rate: query.rate, until: (from) => from + days * DAY },
      );
      answerRead(call.reply, position);
      const told = ({ grantId, at, amount }: { grantId: string; at: number; amount: bigint }) => ({
        grantId,
        at: formatInstant(at),
        amount: formatAmount(amount),
      });
      return {
        customerId,
        unit: outlook.unit,
        from: formatInstant(now),
        to: formatInstant(until),
        rate: formatAmount(outlook.rate),
        runsOutAt: outlook.runsOutAt === null ? null : formatInstant(outlook.runsOutAt),
        uncovered: formatAmount(outlook.uncovered),
        expiring: outlook.expiring.map(told),
        renewals: outlook.renewals.map(told),
      };
    });
  }

  /** The customer's own id, once the log has come to the position asked for. */
  private async customer(call: ReadCall, query: CustomerQuery & ReadQuery, id: string) {
    await this.gate.passLog(call, query);
    const external = isExternal(query);
    const { credits } = this.runtime.current;
    const customer = await resolveCustomer(credits, call.tenant, { id, external });
    await credits.settleBilling(call.tenant, customer.id);
    return customer.id;
  }
}

function answerExplained({ request, reply }: ReadCall, { customerId, explanation, position }: Explained) {
  answerRead(reply, position);
  if (/\btext\/plain\b/.test(request.headers.accept ?? '')) {
    void reply.type('text/plain; charset=utf-8');
    return `${explanationText(explanation)}\n`;
  }
  const { unit, requested, covered, shortfall, at, candidates } = explanation;
  return {
    customerId,
    unit,
    requested: formatAmount(requested),
    covered: formatAmount(covered),
    shortfall: formatAmount(shortfall),
    at: formatInstant(at),
    candidates: candidates.map(({ effectiveAt, expiresAt, ...candidate }) => ({
      ...candidate,
      remainingBefore: formatAmount(candidate.remainingBefore),
      taken: formatAmount(candidate.taken),
      remainingAfter: formatAmount(candidate.remainingAfter),
      held: formatAmount(candidate.held),
      startDate: formatInstant(effectiveAt),
      expiryDate: expiresAt === Infinity ? null : formatInstant(expiresAt),
    })),
  };
}
