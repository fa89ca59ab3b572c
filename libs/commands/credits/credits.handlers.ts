import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Instant, Json, Problem } from '#libs/kernel';
import type { ConsumptionAnswer, GrantAnswer, HoldAnswer, ReversalAnswer, SeriesAnswer } from '#libs/credits';
import type { CommandContext } from '../stream-kind.js';
import { consume, type ConsumeRequest } from './consume.js';
import { claimBatch, type CreditsDeps } from './deps.js';
import type { Answered, Refused } from './answered.js';
import type { GrantRequest } from './grant-request.js';
import { changeGrant, type GrantChange } from './grant-changes.js';
import { issueGrant } from './grants.js';
import {
  captureHold,
  placeHold,
  releaseHold,
  type CapturedHold,
  type CaptureRequest,
  type HoldRequest,
} from './holds.js';
import { changeRenewal, type RenewalChange } from './renewals.js';
import { reverseConsumption, type ReverseRequest } from './reversals.js';
import { settleDue, type SettledCounts } from './settle.js';
import { ingestUsage, type IngestedUsage, type UsageRequest } from './usage.js';

/** Injection token of {@link CreditsDeps}. */
export const CREDITS_DEPS = Symbol('credits deps');

export class IssueGrant extends Command<Answered<GrantAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly request: GrantRequest,
    readonly externalCustomer: boolean,
  ) {
    super();
  }
}

@CommandHandler(IssueGrant)
export class IssueGrantHandler implements ICommandHandler<IssueGrant> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({ context, request, externalCustomer }: IssueGrant): Promise<Answered<GrantAnswer> | Refused> {
    return issueGrant(this.deps, context, request, externalCustomer);
  }
}

/** Revokes, expires, adjusts, amends or edits a grant. */
export class ChangeGrant extends Command<Answered<GrantAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly grantId: string,
    readonly change: GrantChange,
  ) {
    super();
  }
}

@CommandHandler(ChangeGrant)
export class ChangeGrantHandler implements ICommandHandler<ChangeGrant> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({ context, grantId, change }: ChangeGrant): Promise<Answered<GrantAnswer> | Refused> {
    return changeGrant(this.deps, context, grantId, change);
  }
}

export class PlaceHold extends Command<Answered<HoldAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly request: HoldRequest,
    readonly externalCustomer: boolean,
  ) {
    super();
  }
}

@CommandHandler(PlaceHold)
export class PlaceHoldHandler implements ICommandHandler<PlaceHold> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({ context, request, externalCustomer }: PlaceHold): Promise<Answered<HoldAnswer> | Refused> {
    return placeHold(this.deps, context, request, externalCustomer);
  }
}

export class CaptureHold extends Command<Answered<CapturedHold> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly holdId: string,
    readonly request: CaptureRequest,
  ) {
    super();
  }
}

@CommandHandler(CaptureHold)
export class CaptureHoldHandler implements ICommandHandler<CaptureHold> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({ context, holdId, request }: CaptureHold): Promise<Answered<CapturedHold> | Refused> {
    return captureHold(this.deps, context, holdId, request);
  }
}

export class ReleaseHold extends Command<Answered<HoldAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly holdId: string,
    readonly request: { readonly reference?: string },
  ) {
    super();
  }
}

@CommandHandler(ReleaseHold)
export class ReleaseHoldHandler implements ICommandHandler<ReleaseHold> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({ context, holdId, request }: ReleaseHold): Promise<Answered<HoldAnswer> | Refused> {
    return releaseHold(this.deps, context, holdId, request);
  }
}

export class ReverseConsumption extends Command<Answered<ReversalAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly consumptionId: string,
    readonly request: ReverseRequest,
  ) {
    super();
  }
}

@CommandHandler(ReverseConsumption)
export class ReverseConsumptionHandler implements ICommandHandler<ReverseConsumption> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({
    context,
    consumptionId,
    request,
  }: ReverseConsumption): Promise<Answered<ReversalAnswer> | Refused> {
    return reverseConsumption(this.deps, context, consumptionId, request);
  }
}

/** Pauses, resumes, cancels or amends a series, or renews it for a billing period. */
export class ChangeRenewal extends Command<Answered<SeriesAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly seriesId: string,
    readonly change: RenewalChange,
  ) {
    super();
  }
}

@CommandHandler(ChangeRenewal)
export class ChangeRenewalHandler implements ICommandHandler<ChangeRenewal> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({ context, seriesId, change }: ChangeRenewal): Promise<Answered<SeriesAnswer> | Refused> {
    return changeRenewal(this.deps, context, seriesId, change);
  }
}

export class ConsumeCredits extends Command<Answered<ConsumptionAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly request: ConsumeRequest,
    readonly externalCustomer: boolean,
  ) {
    super();
  }
}

@CommandHandler(ConsumeCredits)
export class ConsumeCreditsHandler implements ICommandHandler<ConsumeCredits> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({
    context,
    request,
    externalCustomer,
  }: ConsumeCredits): Promise<Answered<ConsumptionAnswer> | Refused> {
    return consume(this.deps, context, request, externalCustomer);
  }
}

/** Usage events, one or many; each is taken in or refused by itself. */
export class IngestUsage extends Command<readonly (IngestedUsage | Problem | Refused)[]> {
  constructor(
    readonly context: CommandContext,
    readonly requests: readonly UsageRequest[],
    /** The events of a batch as they came, those that are not acceptable too. */
    readonly batch?: readonly Json[],
  ) {
    super();
  }
}

@CommandHandler(IngestUsage)
export class IngestUsageHandler implements ICommandHandler<IngestUsage> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  async execute({
    context,
    requests,
    batch,
  }: IngestUsage): Promise<readonly (IngestedUsage | Problem | Refused)[]> {
    const { idempotencyKey } = context;
    if (batch && idempotencyKey !== undefined) await claimBatch(this.deps, context, idempotencyKey, batch);
    return ingestUsage(this.deps, context, requests);
  }
}

/** Records what time had made due at an instant, on every account of the tenant, or on those where a series renews. */
export class SettleDueGrants extends Command<SettledCounts> {
  constructor(
    readonly context: CommandContext,
    readonly at: Instant,
    readonly which: 'all' | 'renewing',
  ) {
    super();
  }
}

@CommandHandler(SettleDueGrants)
export class SettleDueGrantsHandler implements ICommandHandler<SettleDueGrants> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({ context, at, which }: SettleDueGrants): Promise<SettledCounts> {
    return settleDue(this.deps, context, at, which);
  }
}

export const creditsHandlers = [
  IssueGrantHandler,
  ChangeGrantHandler,
  PlaceHoldHandler,
  CaptureHoldHandler,
  ReleaseHoldHandler,
  ReverseConsumptionHandler,
  ChangeRenewalHandler,
  ConsumeCreditsHandler,
  IngestUsageHandler,
  SettleDueGrantsHandler,
];
