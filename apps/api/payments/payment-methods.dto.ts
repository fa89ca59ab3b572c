import { PAYMENT_PROVIDERS, type PaymentProvider } from '#libs/catalog';
import { Field, IsId, IsIdList, IsOneOf, IsPattern, IsQueryFlag, IsText, ListQuery } from '../http/index.js';

export class PaymentMethodsQuery extends ListQuery {
  @Field(IsQueryFlag(), { optional: true, description: 'the path holds an external id' })
  isExtCustId?: 'true' | 'false';
}

export class PaymentMethodBody {
  @Field(IsId(), { optional: true, example: 'pm_visa', description: 'your own id' })
  id?: string;

  @Field(IsOneOf(PAYMENT_PROVIDERS), { enum: PAYMENT_PROVIDERS })
  provider!: PaymentProvider;

  @Field(IsPattern(/^[\x21-\x7e]{1,255}$/, 'text_invalid', 'must be 1 to 255 visible ASCII characters'), {
    type: String,
    example: 'pm_1PqRsT',
    description: 'what the provider calls it; no number of a card or an account',
  })
  providerReference!: string;

  @Field(IsText(128), { optional: true, example: 'Visa, ends in 0341', description: 'for people' })
  label?: string;
}

export class PaymentMethodOrderBody {
  @Field(IsIdList(0, 20), {
    type: [String],
    description: 'all methods of the customer, in the order in which they are tried',
  })
  methodIds!: string[];
}
