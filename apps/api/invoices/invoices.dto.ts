import type { InvoiceStatus } from '#libs/billing';
import {
  Field,
  IsId,
  IsInstant,
  IsJson,
  IsListOf,
  IsOneOf,
  IsQueryFlag,
  IsText,
  ListQuery,
} from '../http/index.js';
import { CustomerReadQuery, instant } from '../credits/credits.dto.js';

const STATUSES = ['issued', 'unpaid', 'paid', 'uncollectible', 'void'] as const;

export class InvoicesQuery extends ListQuery {
  @Field(IsText(128), { optional: true, description: 'your id of the customer with `isExtCustId=true`' })
  customerId?: string;

  @Field(IsQueryFlag(), { optional: true, example: 'false' })
  isExtCustId?: string;

  @Field(IsId(), { optional: true })
  subscriptionId?: string;

  @Field(IsOneOf(STATUSES), { optional: true, enum: STATUSES })
  status?: InvoiceStatus;

  @Field(IsInstant(), { ...instant, optional: true, description: 'issued then or later' })
  from?: string;

  @Field(IsInstant(), { ...instant, optional: true, description: 'issued before' })
  to?: string;
}

export class UpcomingQuery extends CustomerReadQuery {
  @Field(IsText(128), { example: 'cust_123' })
  customerId!: string;
}

export class InvoiceReasonBody {
  @Field(IsText(500, 1), { example: 'wrong customer' })
  reason!: string;
}

export class PaidBody {
  @Field(IsText(128), { optional: true, description: 'what the bank, or the provider, calls it' })
  reference?: string;
}

export class UnpaidBody extends InvoiceReasonBody {
  @Field(IsText(128), { optional: true, description: 'what whoever collects calls the payment' })
  reference?: string;

  @Field(IsText(255), {
    optional: true,
    description: 'providerReference of the method that was tried, where that is not the one asked for',
  })
  providerReference?: string;
}

export class CreditNoteLineDto {
  @Field(IsText(32, 1), { example: '1', description: 'a charge of the invoice' })
  lineId!: string;

  @Field(IsJson(), {
    oneOf: [{ type: 'string' }, { type: 'integer' }],
    example: '500',
    description: 'minor units',
  })
  amount!: string | number;
}

export class CreditNoteDto extends InvoiceReasonBody {
  @Field(IsListOf(() => CreditNoteLineDto, 1, 1000), {
    optional: true,
    type: [CreditNoteLineDto],
    description: 'default: all that is left',
  })
  lines?: CreditNoteLineDto[];
}
