import {
  applyChanges,
  CLAIM,
  claimDecider,
  creditDefinitionKind,
  customerKind,
  documentDecider,
  enrollmentRuleKind,
  featureKind,
  merchantKind,
  meterKind,
  planKind,
  priceKind,
  pricingTableKind,
  unitKind,
} from '#libs/catalog';
import type {
  Attributes,
  ClaimCommand,
  ClaimEvent,
  ClaimState,
  Document,
  DocumentCommand,
  DocumentEvent,
  DocumentKind,
  Merchant,
} from '#libs/catalog';
import { eventTypesOf } from '#libs/event-types';
import type { StreamKind } from '../stream-kind.js';

/** A kind of catalogue object as the writer knows it, with its rules beside. */
export interface CatalogKind<A extends Attributes, Name extends string = string> extends StreamKind<
  Document<A> | null,
  DocumentCommand<A>,
  DocumentEvent<A, Name>
> {
  readonly document: DocumentKind<A, Name>;
}

const catalogKind = <A extends Attributes, Name extends string>(
  document: DocumentKind<A, Name>,
): CatalogKind<A, Name> => ({
  category: document.category,
  decider: documentDecider(document),
  eventTypes: eventTypesOf(document.category),
  document,
});

export const units = catalogKind(unitKind);
export const meters = catalogKind(meterKind);
export const features = catalogKind(featureKind);
export const plans = catalogKind(planKind);
export const prices = catalogKind(priceKind);
export const customers = catalogKind(customerKind);
export const creditDefinitions = catalogKind(creditDefinitionKind);
export const pricingTables = catalogKind(pricingTableKind);
export const enrollmentRules = catalogKind(enrollmentRuleKind);

/** Id of the one document that holds an environment's settings; its first change makes it. */
export const MERCHANT = 'settings';
const settings = catalogKind(merchantKind);
export const merchants: CatalogKind<Merchant, 'Merchant'> = {
  ...settings,
  decider: {
    ...settings.decider,
    decide: (command, document) =>
      settings.decider.decide(
        command.type === 'Update' && document === null
          ? { ...command, type: 'Create', id: MERCHANT, attributes: applyChanges({}, command.changes) }
          : command,
        document,
      ),
  },
};

export const claims: StreamKind<ClaimState, ClaimCommand, ClaimEvent> = {
  category: CLAIM,
  decider: claimDecider,
  eventTypes: eventTypesOf(CLAIM),
};
