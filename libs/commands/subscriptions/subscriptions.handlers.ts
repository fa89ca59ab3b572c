import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { SubscriptionAnswer } from '#libs/subscriptions';
import type { Answered, Refused } from '../credits/answered.js';
import type { CommandContext } from '../stream-kind.js';
import {
  changeSubscription,
  migrateSubscriptions,
  type MigrationCounts,
  type MigrationRequest,
  type SubscriptionChange,
} from './changes.js';
import type { SubscriptionsDeps } from './deps.js';
import { enroll, type EnrollmentOffers, type EnrollmentRequest } from './enroll.js';
import {
  addSeat,
  removeSeat,
  type AddSeatRequest,
  type RemoveSeatRequest,
  type SeatChanged,
} from './seats.js';
import { createSubscription, type SubscriptionRequest } from './subscriptions.js';

/** Injection token of {@link SubscriptionsDeps}. */
export const SUBSCRIPTIONS_DEPS = Symbol('subscriptions deps');

export class CreateSubscription extends Command<Answered<SubscriptionAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly request: SubscriptionRequest,
    readonly externalCustomer: boolean,
  ) {
    super();
  }
}

@CommandHandler(CreateSubscription)
export class CreateSubscriptionHandler implements ICommandHandler<CreateSubscription> {
  constructor(@Inject(SUBSCRIPTIONS_DEPS) private readonly deps: SubscriptionsDeps) {}
  execute({
    context,
    request,
    externalCustomer,
  }: CreateSubscription): Promise<Answered<SubscriptionAnswer> | Refused> {
    return createSubscription(this.deps, context, request, externalCustomer);
  }
}

/** Pauses, resumes, cancels, changes or migrates a subscription, or overrides something of it. */
export class ChangeSubscription extends Command<Answered<SubscriptionAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly subscriptionId: string,
    readonly change: SubscriptionChange,
  ) {
    super();
  }
}

@CommandHandler(ChangeSubscription)
export class ChangeSubscriptionHandler implements ICommandHandler<ChangeSubscription> {
  constructor(@Inject(SUBSCRIPTIONS_DEPS) private readonly deps: SubscriptionsDeps) {}
  execute({
    context,
    subscriptionId,
    change,
  }: ChangeSubscription): Promise<Answered<SubscriptionAnswer> | Refused> {
    return changeSubscription(this.deps, context, subscriptionId, change);
  }
}

/** Changes all subscriptions of one version of a plan to another. */
export class MigrateSubscriptions extends Command<MigrationCounts> {
  constructor(
    readonly context: CommandContext,
    readonly request: MigrationRequest,
  ) {
    super();
  }
}

@CommandHandler(MigrateSubscriptions)
export class MigrateSubscriptionsHandler implements ICommandHandler<MigrateSubscriptions> {
  constructor(@Inject(SUBSCRIPTIONS_DEPS) private readonly deps: SubscriptionsDeps) {}
  execute({ context, request }: MigrateSubscriptions): Promise<MigrationCounts> {
    return migrateSubscriptions(this.deps, context, request);
  }
}

export class AddSeat extends Command<Answered<SeatChanged> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly request: AddSeatRequest,
  ) {
    super();
  }
}

@CommandHandler(AddSeat)
export class AddSeatHandler implements ICommandHandler<AddSeat> {
  constructor(@Inject(SUBSCRIPTIONS_DEPS) private readonly deps: SubscriptionsDeps) {}
  execute({ context, request }: AddSeat): Promise<Answered<SeatChanged> | Refused> {
    return addSeat(this.deps, context, request);
  }
}

export class RemoveSeat extends Command<Answered<SeatChanged> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly request: RemoveSeatRequest,
  ) {
    super();
  }
}

@CommandHandler(RemoveSeat)
export class RemoveSeatHandler implements ICommandHandler<RemoveSeat> {
  constructor(@Inject(SUBSCRIPTIONS_DEPS) private readonly deps: SubscriptionsDeps) {}
  execute({ context, request }: RemoveSeat): Promise<Answered<SeatChanged> | Refused> {
    return removeSeat(this.deps, context, request);
  }
}

/** Gives a user a free plan: its customer and its subscription. */
export class Enroll extends Command<Answered<SubscriptionAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly request: EnrollmentRequest,
    readonly offers: EnrollmentOffers,
  ) {
    super();
  }
}

@CommandHandler(Enroll)
export class EnrollHandler implements ICommandHandler<Enroll> {
  constructor(@Inject(SUBSCRIPTIONS_DEPS) private readonly deps: SubscriptionsDeps) {}
  execute({ context, request, offers }: Enroll): Promise<Answered<SubscriptionAnswer> | Refused> {
    return enroll(this.deps, context, request, offers);
  }
}

/** Every command handler of subscriptions. They need SUBSCRIPTIONS_DEPS. */
export const subscriptionHandlers = [
  CreateSubscriptionHandler,
  ChangeSubscriptionHandler,
  MigrateSubscriptionsHandler,
  AddSeatHandler,
  RemoveSeatHandler,
  EnrollHandler,
];
