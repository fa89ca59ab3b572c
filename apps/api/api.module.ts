import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { CREDITS_DEPS, creditsHandlers } from '#libs/commands/credits';
import { catalogHandlers, CATALOG_PORTS } from '#libs/commands/catalog';
import { SUBSCRIPTIONS_DEPS, subscriptionHandlers } from '#libs/commands/subscriptions';
import { READ_MODELS_POOL } from '#libs/read-models';
import { createCatalogQueries, readModelQueries } from '#libs/read-models/queries';
import type { Runtime } from '../runtime.js';
import { ApiKeyGuard } from './auth.js';
import { AuditController } from './audit/audit.controller.js';
import { CATALOG_QUERIES, catalogControllers } from './catalog/index.js';
import { CreditsController } from './credits/credits.controller.js';
import { GrantsController } from './credits/grants.controller.js';
import { HoldsController } from './credits/holds.controller.js';
import { FinanceController } from './credits/finance.controller.js';
import { InsightController } from './credits/insight.controller.js';
import { RenewalsController } from './credits/renewals.controller.js';
import { CustomerCreditsController } from './credits/customer-credits.controller.js';
import { EnrollmentController } from './subscriptions/enrollment.controller.js';
import { EntitlementsController } from './entitlements/entitlements.controller.js';
import { InvoicesController } from './invoices/invoices.controller.js';
import { MerchantController } from './payments/merchant.controller.js';
import { PaymentMethodsController } from './payments/payment-methods.controller.js';
import { WebhooksController } from './payments/webhooks.controller.js';
import { KeysController } from './keys/keys.controller.js';
import { ReadGate } from './read-gate.js';
import { RuntimeRef } from './runtime-ref.js';
import { SeatsController } from './seats/seats.controller.js';
import { SubscriptionsController } from './subscriptions/subscriptions.controller.js';
import { DocsController } from './system/docs.controller.js';
import { HealthController } from './system/health.controller.js';
import { TriggersController } from './triggers/triggers.controller.js';
import { UsageController } from './usage/usage.controller.js';

/** The HTTP API over a runtime: controllers, command and query handlers, authentication. */
@Module({})
export class ApiModule {
  static over(runtime: Runtime): DynamicModule {
    return {
      module: ApiModule,
      imports: [CqrsModule.forRoot()],
      controllers: [
        HealthController,
        DocsController,
        ...catalogControllers,
        GrantsController,
        HoldsController,
        RenewalsController,
        InsightController,
        FinanceController,
        CreditsController,
        CustomerCreditsController,
        UsageController,
        SubscriptionsController,
        SeatsController,
        EnrollmentController,
        EntitlementsController,
        InvoicesController,
        MerchantController,
        PaymentMethodsController,
        WebhooksController,
        TriggersController,
        AuditController,
        KeysController,
      ],
      providers: [
        { provide: RuntimeRef, useValue: new RuntimeRef(runtime) },
        { provide: CREDITS_DEPS, useValue: runtime.credits },
        { provide: SUBSCRIPTIONS_DEPS, useValue: runtime.subscriptions },
        {
          provide: CATALOG_PORTS,
          useValue: { writer: runtime.writer, reader: runtime.catalog, newId: runtime.newId },
        },
        { provide: READ_MODELS_POOL, useValue: runtime.pool },
        {
          provide: CATALOG_QUERIES,
          useFactory: () => {
            const { readModels, writer, credits } = runtime;
            return createCatalogQueries(readModels, writer.knownPosition, (tenant) =>
              writer.lastWritten(tenant, credits.account.category),
            );
          },
        },
        { provide: APP_GUARD, useClass: ApiKeyGuard },
        ReadGate,
        ...creditsHandlers,
        ...catalogHandlers,
        ...subscriptionHandlers,
        ...readModelQueries,
      ],
    };
  }
}

/** A process that only projects: health and metrics, nothing else. */
@Module({})
export class WorkerModule {
  static over(runtime: Runtime): DynamicModule {
    return {
      module: WorkerModule,
      controllers: [HealthController],
      providers: [{ provide: RuntimeRef, useValue: new RuntimeRef(runtime) }],
    };
  }
}
