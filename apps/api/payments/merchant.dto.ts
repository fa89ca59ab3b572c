import { DUNNING_ENDS, type DunningPolicy } from '#libs/catalog';
import {
  Field,
  IsAmount,
  IsEmailAddress,
  IsObjectOf,
  IsOneOf,
  IsPattern,
  IsText,
  IsWhole,
  IsWholeList,
} from '../http/index.js';

export class BillFromDto {
  @Field(IsText(255), { example: 'Initech GmbH' })
  name!: string;

  @Field(IsText(255), { optional: true })
  addressLine1?: string;

  @Field(IsText(255), { optional: true })
  addressLine2?: string;

  @Field(IsText(32), { optional: true })
  postalCode?: string;

  @Field(IsText(255), { optional: true })
  city?: string;

  @Field(IsText(255), { optional: true })
  state?: string;

  @Field(IsText(2, 2), { optional: true, example: 'DE', description: 'ISO 3166-1' })
  country?: string;

  @Field(IsText(64), { optional: true, example: 'DE123456789' })
  taxId?: string;

  @Field(IsEmailAddress(), { optional: true, example: 'billing@initech.example' })
  email?: string;
}

export class DunningDto {
  @Field(IsWhole(0, 365), { example: 7, description: 'days before an unpaid invoice is given up' })
  graceDays!: number;

  @Field(IsWholeList(1, 365, 20), {
    type: [Number],
    example: [1, 3, 7],
    description: 'days after which payment is asked for again, rising',
  })
  retryDays!: number[];

  @Field(IsOneOf(DUNNING_ENDS), {
    enum: DUNNING_ENDS,
    description: 'what follows when it is given up; the invoice is uncollectible in any case',
  })
  endAction!: DunningPolicy['endAction'];
}

export class MerchantBody {
  @Field(IsAmount(), {
    optional: true,
    type: String,
    example: '0.19',
    description: 'for customers without a rate of their own, 0 to 1',
  })
  taxRate?: string | number;

  @Field(IsText(64), { optional: true, example: 'VAT 19 %', description: 'stands on the line of the tax' })
  taxName?: string;

  @Field(IsText(20), { optional: true, example: 'ACME', description: 'begins invoice numbers; default INV' })
  invoicePrefix?: string;

  @Field(IsWhole(0, 365), { optional: true, example: 14, description: 'days until an invoice is due' })
  paymentTermsDays?: number;

  @Field(IsObjectOf(() => BillFromDto), { optional: true, type: BillFromDto })
  billFrom?: BillFromDto;

  @Field(IsPattern(/^whsec_[\x21-\x7e]{16,250}$/, 'secret_invalid', 'must be whsec_ and what Stripe shows'), {
    optional: true,
    type: String,
    writeOnly: true,
    description: 'signing secret of the webhook endpoint at Stripe; never answered',
  })
  stripeWebhookSecret?: string;

  @Field(
    IsPattern(
      /^whsec_(?:[A-Za-z0-9+/]{4}){4,60}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
      'secret_invalid',
      'must be whsec_ and the base64 that Dodo shows',
    ),
    {
      optional: true,
      type: String,
      writeOnly: true,
      description: 'signing secret of the webhook at Dodo Payments; never answered',
    },
  )
  dodoWebhookSecret?: string;

  @Field(IsObjectOf(() => DunningDto), {
    optional: true,
    type: DunningDto,
    description: 'absent: nothing happens by itself to what is not paid',
  })
  dunning?: DunningDto;
}
