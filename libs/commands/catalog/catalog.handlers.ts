import { Inject } from '@nestjs/common';
import { Command, CommandHandler } from '@nestjs/cqrs';
import type { ICommandHandler } from '@nestjs/cqrs';
import type { Feature, Meter, Plan, Price, Unit } from '#libs/catalog';
import type { CommandContext } from '../stream-kind.js';
import { CATALOG_PORTS } from './catalog-writer.js';
import type { CatalogPorts, DocumentWritten } from './catalog-writer.js';
import { archiveFeature, createFeature, updateFeature } from './features.js';
import type { FeatureChanges, FeatureInput } from './features.js';
import { archiveMeter, createMeter, updateMeter } from './meters.js';
import type { MeterChanges, MeterInput } from './meters.js';
import { createPlan, updatePlan } from './plans.js';
import type { PlanChanges, PlanInput } from './plans.js';
import { createPrice } from './prices.js';
import type { PriceInput } from './prices.js';
import { createUnit } from './units.js';
import type { UnitInput } from './units.js';

export class CreateUnit extends Command<DocumentWritten<Unit>> {
  constructor(
    readonly context: CommandContext,
    readonly input: UnitInput,
  ) {
    super();
  }
}

export class CreateMeter extends Command<DocumentWritten<Meter>> {
  constructor(
    readonly context: CommandContext,
    readonly input: MeterInput,
  ) {
    super();
  }
}

export class UpdateMeter extends Command<DocumentWritten<Meter>> {
  constructor(
    readonly context: CommandContext,
    readonly id: string,
    readonly input: MeterChanges,
  ) {
    super();
  }
}

export class ArchiveMeter extends Command<DocumentWritten<Meter>> {
  constructor(
    readonly context: CommandContext,
    readonly id: string,
  ) {
    super();
  }
}

export class CreateFeature extends Command<DocumentWritten<Feature>> {
  constructor(
    readonly context: CommandContext,
    readonly input: FeatureInput,
  ) {
    super();
  }
}

export class UpdateFeature extends Command<DocumentWritten<Feature>> {
  constructor(
    readonly context: CommandContext,
    readonly id: string,
    readonly input: FeatureChanges,
  ) {
    super();
  }
}

export class ArchiveFeature extends Command<DocumentWritten<Feature>> {
  constructor(
    readonly context: CommandContext,
    readonly id: string,
  ) {
    super();
  }
}

export class CreatePlan extends Command<DocumentWritten<Plan>> {
  constructor(
    readonly context: CommandContext,
    readonly input: PlanInput,
  ) {
    super();
  }
}

/** `created` in its answer says that a version was made. */
export class UpdatePlan extends Command<DocumentWritten<Plan>> {
  constructor(
    readonly context: CommandContext,
    readonly plan: { readonly id: string; readonly isStableId: boolean },
    readonly input: PlanChanges,
  ) {
    super();
  }
}

export class CreatePrice extends Command<DocumentWritten<Price>> {
  constructor(
    readonly context: CommandContext,
    readonly input: PriceInput,
  ) {
    super();
  }
}

@CommandHandler(CreateUnit)
export class CreateUnitHandler implements ICommandHandler<CreateUnit> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, input }: CreateUnit) => createUnit(this.ports, context, input);
}

@CommandHandler(CreateMeter)
export class CreateMeterHandler implements ICommandHandler<CreateMeter> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, input }: CreateMeter) => createMeter(this.ports, context, input);
}

@CommandHandler(UpdateMeter)
export class UpdateMeterHandler implements ICommandHandler<UpdateMeter> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, id, input }: UpdateMeter) => updateMeter(this.ports, context, id, input);
}

@CommandHandler(ArchiveMeter)
export class ArchiveMeterHandler implements ICommandHandler<ArchiveMeter> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, id }: ArchiveMeter) => archiveMeter(this.ports, context, id);
}

@CommandHandler(CreateFeature)
export class CreateFeatureHandler implements ICommandHandler<CreateFeature> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, input }: CreateFeature) => createFeature(this.ports, context, input);
}

@CommandHandler(UpdateFeature)
export class UpdateFeatureHandler implements ICommandHandler<UpdateFeature> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, id, input }: UpdateFeature) => updateFeature(this.ports, context, id, input);
}

@CommandHandler(ArchiveFeature)
export class ArchiveFeatureHandler implements ICommandHandler<ArchiveFeature> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, id }: ArchiveFeature) => archiveFeature(this.ports, context, id);
}

@CommandHandler(CreatePlan)
export class CreatePlanHandler implements ICommandHandler<CreatePlan> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, input }: CreatePlan) => createPlan(this.ports, context, input);
}

@CommandHandler(UpdatePlan)
export class UpdatePlanHandler implements ICommandHandler<UpdatePlan> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, plan, input }: UpdatePlan) => updatePlan(this.ports, context, plan, input);
}

@CommandHandler(CreatePrice)
export class CreatePriceHandler implements ICommandHandler<CreatePrice> {
  constructor(@Inject(CATALOG_PORTS) private readonly ports: CatalogPorts) {}

  execute = ({ context, input }: CreatePrice) => createPrice(this.ports, context, input);
}

export const productHandlers = [
  CreateUnitHandler,
  CreateMeterHandler,
  UpdateMeterHandler,
  ArchiveMeterHandler,
  CreateFeatureHandler,
  UpdateFeatureHandler,
  ArchiveFeatureHandler,
  CreatePlanHandler,
  UpdatePlanHandler,
  CreatePriceHandler,
];
