import type { Metadata } from '#libs/catalog';
import { CustomerReadQuery, instant } from '../credits/credits.dto.js';
import {
  Field,
  IsEmailAddress,
  IsInstant,
  IsMetadata,
  IsObjectOf,
  IsPattern,
  IsText,
} from '../http/index.js';

import { applyDecorators } from '@nestjs/common';

const organization = { optional: true, example: 'org_ext_1' } as const;

class SeatBody {
  @Field(IsText(255), { ...organization, description: 'your own id of the organisation' })
  organization_id?: string;

  @Field(IsText(255), { ...organization, description: 'of who is billed, where there is no organization_id' })
  user_id?: string;

  @Field(IsPattern(/^[\x21-\x7e]{1,255}$/, 'text_invalid', 'must be 1 to 255 visible ASCII characters'), {
    optional: true,
    description: 'the same key with the same body gets the first answer again',
  })
  idempotency_key?: string;

  @Field(applyDecorators(IsInstant(), IsPattern(/Z$/, 'instant_invalid', 'must end in Z')), {
    ...instant,
    optional: true,
    description: 'when the seat changed, within the current period; ends in Z; default now',
  })
  timestamp?: string;
}

class SeatUserBody {
  @Field(IsText(255), { optional: true, example: 'Ada Lovelace' })
  name?: string;

  @Field(IsEmailAddress(), { optional: true, example: 'ada@acme.example' })
  email?: string;
}

export class AddSeatBody extends SeatBody {
  @Field(IsText(255), { example: 'user_ext_7', description: 'your own id of the user' })
  created_user_id!: string;

  @Field(IsObjectOf(() => SeatUserBody), { optional: true, type: SeatUserBody })
  created_user_info?: SeatUserBody;

  @Field(IsMetadata(), { optional: true, type: Object, additionalProperties: { type: 'string' } })
  metadata?: Metadata;
}

export class RemoveSeatBody extends SeatBody {
  @Field(IsText(255), { example: 'user_ext_7', description: 'your own id of the user' })
  removed_user_id!: string;
}

export class SeatsQuery extends CustomerReadQuery {}
