import { CustomerReadQuery, instant } from '../credits/credits.dto.js';
import { Field, IsInstant, IsTextList } from '../http/index.js';

/** Features that one call may ask for. */
const MOST_SLUGS = 1000;

export class EntitlementsQuery extends CustomerReadQuery {
  @Field(IsInstant(), {
    ...instant,
    optional: true,
    description: 'what a check would have answered then, from the log; not after now; default now',
  })
  at?: string;
}

export class FeatureSlugsBody {
  @Field(IsTextList(0, MOST_SLUGS), { type: [String], example: ['api-calls', 'sso'] })
  featureSlugs!: string[];
}
