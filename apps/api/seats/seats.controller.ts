import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { formatInstant } from '#libs/kernel';
import type { CommandContext } from '#libs/commands';
import { resolveCustomer, type Answered, type Refused } from '#libs/commands/credits';
import {
  AddSeat,
  RemoveSeat,
  seatHistory,
  seatUsage,
  type AddSeatRequest,
  type RemoveSeatRequest,
  type SeatChanged,
} from '#libs/commands/subscriptions';
import {
  answerRead,
  ApiIdempotencyKey,
  NoQuery,
  Read,
  Write,
  type ReadCall,
  type WriteCall,
} from '../http/index.js';
import { answered, isExternal, plain } from '../credits/answered.js';
import { ReadGate } from '../read-gate.js';
import { RuntimeRef } from '../runtime-ref.js';
import { AddSeatBody, RemoveSeatBody, SeatsQuery } from './seats.dto.js';

/** Seats of organisations: who has one, and the credits that come with it. Users are named by the caller's own ids. */
@ApiTags('Seats')
@ApiBearerAuth()
@Controller('v1/seats')
export class SeatsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly gate: ReadGate,
    private readonly runtime: RuntimeRef,
  ) {}

  @Post('add')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Give a user a seat',
    description: 'Makes the user’s customer, or links it, and issues the grants of the plan’s usage credits.',
  })
  @ApiIdempotencyKey()
  async add(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: AddSeatBody) {
    const { idempotency_key, ...request } = plain<AddSeatRequest & Keyed>(body);
    const done = await this.commands.execute(new AddSeat(keyed(context, idempotency_key), request));
    return answered(reply, seatAnswer(done, 'Seat added', { created_user_id: body.created_user_id }, body));
  }

  @Post('remove')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take a user’s seat away', description: 'The seat’s grants are revoked.' })
  @ApiIdempotencyKey()
  async remove(@Write() { context, reply }: WriteCall, @Query() _: NoQuery, @Body() body: RemoveSeatBody) {
    const { idempotency_key, ...request } = plain<RemoveSeatRequest & Keyed>(body);
    const done = await this.commands.execute(new RemoveSeat(keyed(context, idempotency_key), request));
    return answered(reply, seatAnswer(done, 'Seat removed', { removed_user_id: body.removed_user_id }, body));
  }

  @Get('usage/:customerId')
  @ApiOperation({ summary: 'Say how many seats an organisation has, and what they cost' })
  async usage(@Read() call: ReadCall, @Query() query: SeatsQuery, @Param('customerId') id: string) {
    const customerId = await this.customer(call, query, id);
    const { seats, ...usage } = await seatUsage(this.runtime.current.subscriptions, call.tenant, customerId);
    return { ...usage, seats: seats.map((seat) => ({ ...seat, addedAt: formatInstant(seat.addedAt) })) };
  }

  @Get('history/:customerId')
  @ApiOperation({ summary: 'List every seat that was given or taken, oldest first' })
  async history(@Read() call: ReadCall, @Query() query: SeatsQuery, @Param('customerId') id: string) {
    const customerId = await this.customer(call, query, id);
    const movements = await seatHistory(this.runtime.current.subscriptions, call.tenant, customerId);
    return {
      data: movements.map((one) => ({ ...one, recordedAt: formatInstant(one.recordedAt) })),
      nextCursor: null,
    };
  }

  private async customer(call: ReadCall, query: SeatsQuery, id: string): Promise<string> {
    const { credits, eventStore } = this.runtime.current;
    await this.gate.passLog(call, query);
    const customer = await resolveCustomer(credits, call.tenant, { id, external: isExternal(query) });
    answerRead(call.reply, await eventStore.head());
    return customer.id;
  }
}

interface Keyed {
  readonly idempotency_key?: string;
}

/** The key may stand in the body. */
const keyed = (context: CommandContext, key: string | undefined): CommandContext =>
  key === undefined ? context : { ...context, idempotencyKey: key };

function seatAnswer(
  outcome: Answered<SeatChanged> | Refused,
  message: string,
  user: Readonly<Record<string, string>>,
  { idempotency_key, user_id }: AddSeatBody | RemoveSeatBody,
) {
  if ('problem' in outcome) return outcome;
  const { organization, subscriptionId } = outcome.body;
  return {
    ...outcome,
    body: {
      message,
      user_id: user_id ?? null,
      organization_id: organization.attributes.externalCustomerId ?? organization.id,
      ...user,
      subscription_id: subscriptionId,
      idempotency_key: idempotency_key ?? null,
    },
  };
}
