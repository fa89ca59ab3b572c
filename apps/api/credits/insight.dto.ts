import {
  Field,
  IsAmount,
  IsId,
  IsInstant,
  IsPattern,
  IsQueryFlag,
  IsQueryNumber,
  IsText,
  ReadQuery,
} from '../http/index.js';
import { instant } from './credits.dto.js';

class CustomerQuestion extends ReadQuery {
  @Field(IsQueryFlag(), { optional: true, example: 'false' })
  isExtCustId?: string;
}

/** What usage a question is about. Exactly one of unit, meterId and featureSlug. */
class UsageQuestion extends CustomerQuestion {
  @Field(IsText(128), { optional: true, example: 'api-calls' })
  unit?: string;

  @Field(IsId(), { optional: true })
  meterId?: string;

  @Field(IsText(64), { optional: true })
  featureSlug?: string;

  @Field(IsText(4000), {
    optional: true,
    example: '{"productId":"search"}',
    description: 'as JSON: what `context` of a consumption is',
  })
  context?: string;

  @Field(IsAmount({ positive: true }), { optional: true, type: String, description: 'in the unit' })
  amount?: string;

  @Field(IsAmount({ positive: true }), {
    optional: true,
    type: String,
    description: 'with a meter, instead of amount: times its rate',
  })
  value?: string;
}

export class AvailabilityQuery extends UsageQuestion {
  @Field(IsAmount(), { optional: true, type: String, description: 'most that may be lacking at all' })
  debtLimit?: string;

  @Field(IsAmount({ positive: true }), {
    optional: true,
    type: String,
    description: 'amount of one pack: purchases are whole packs',
  })
  pack?: string;
}

export class ExplanationQuery extends UsageQuestion {
  @Field(IsInstant(), { ...instant, optional: true, description: 'the usage’s own time; default now' })
  at?: string;
}

/** Furthest an outlook looks ahead. */
const MAX_DAYS = 366;
export const DEFAULT_DAYS = 30;

export class OutlookQuery extends CustomerQuestion {
  @Field(IsText(128), { example: 'api-calls' })
  unit!: string;

  @Field(IsQueryNumber(1, MAX_DAYS), { optional: true, example: '30', description: `1 to ${MAX_DAYS}` })
  days?: string;

  @Field(IsAmount(), {
    optional: true,
    type: String,
    description: 'amount a day; default the average of the last 30 days',
  })
  rate?: string;
}

const GROUPS = ['unit', 'definition', 'category', 'source', 'period'] as const;
export type TotalsGroup = (typeof GROUPS)[number];

class PeriodQuery extends ReadQuery {
  @Field(IsText(256), { optional: true, description: 'default: all customers' })
  customerId?: string;

  @Field(IsQueryFlag(), { optional: true, example: 'false' })
  isExtCustId?: string;

  @Field(IsInstant(), { ...instant, optional: true, description: 'inclusive' })
  from?: string;

  @Field(IsInstant(), { ...instant, optional: true, description: 'exclusive' })
  to?: string;
}

export class TotalsQuery extends PeriodQuery {
  @Field(IsText(128), { optional: true })
  unit?: string;

  @Field(
    IsPattern(
      /^(unit|definition|category|source|period)(,(definition|category|source|period))*$/,
      'not_allowed',
      `must be some of ${GROUPS.join(', ')}, with commas between`,
    ),
    { optional: true, example: 'definition,period', description: 'beside the unit, which never mix' },
  )
  groupBy?: string;

  @Field(IsPattern(/^(day|month)$/, 'not_allowed', 'must be day or month'), {
    optional: true,
    enum: ['day', 'month'],
    description: 'in UTC; with groupBy=period, default month',
  })
  period?: 'day' | 'month';
}

export class JournalQuery extends PeriodQuery {
  @Field(IsPattern(/^(json|csv)$/, 'not_allowed', 'must be json or csv'), {
    optional: true,
    enum: ['json', 'csv'],
    description: 'csv streams all of it, json answers a page',
  })
  format?: 'json' | 'csv';

  @Field(IsQueryNumber(1, 1000), { optional: true, example: '100', description: 'entries, 1 to 1000' })
  limit?: string;

  @Field(IsText(2000), { optional: true, description: '`nextCursor` of the page before' })
  cursor?: string;
}

export class BalanceSheetQuery extends PeriodQuery {}
