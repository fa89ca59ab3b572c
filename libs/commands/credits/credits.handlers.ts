import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Instant, Problem } from '#libs/kernel';
import type { ConsumptionAnswer, GrantAnswer } from '#libs/credits';
import type { CommandContext } from '../stream-kind.js';
import { consume, type ConsumeRequest } from './consume.js';
import type { CreditsDeps } from './deps.js';
import type { Answered, Refused } from './answered.js';
import type { GrantRequest } from './grant-request.js';
import { issueGrant } from './grants.js';
import { revokeGrant } from './revoke.js';
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

export class RevokeGrant extends Command<Answered<GrantAnswer> | Refused> {
  constructor(
    readonly context: CommandContext,
    readonly grantId: string,
    readonly request: { readonly notes?: string },
  ) {
    super();
  }
}

@CommandHandler(RevokeGrant)
export class RevokeGrantHandler implements ICommandHandler<RevokeGrant> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({ context, grantId, request }: RevokeGrant): Promise<Answered<GrantAnswer> | Refused> {
    return revokeGrant(this.deps, context, grantId, request);
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
export class IngestUsage extends Command<readonly (IngestedUsage | Problem)[]> {
  constructor(
    readonly context: CommandContext,
    readonly requests: readonly UsageRequest[],
  ) {
    super();
  }
}

@CommandHandler(IngestUsage)
export class IngestUsageHandler implements ICommandHandler<IngestUsage> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({ context, requests }: IngestUsage): Promise<readonly (IngestedUsage | Problem)[]> {
    return ingestUsage(this.deps, context, requests);
  }
}

/** Records what time had made due at an instant, on every account of the tenant. */
export class SettleDueGrants extends Command<SettledCounts> {
  constructor(
    readonly context: CommandContext,
    readonly at: Instant,
  ) {
    super();
  }
}

@CommandHandler(SettleDueGrants)
export class SettleDueGrantsHandler implements ICommandHandler<SettleDueGrants> {
  constructor(@Inject(CREDITS_DEPS) private readonly deps: CreditsDeps) {}
  execute({ context, at }: SettleDueGrants): Promise<SettledCounts> {
    return settleDue(this.deps, context, at);
  }
}

export const creditsHandlers = [
  IssueGrantHandler,
  RevokeGrantHandler,
  ConsumeCreditsHandler,
  IngestUsageHandler,
  SettleDueGrantsHandler,
];
