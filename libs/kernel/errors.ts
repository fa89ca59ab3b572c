/**
 * Every error code the product answers with. The one place: docs/errors.md is generated from it, and the API
 * answers nothing that is not in it. `status` is the HTTP status, `advice` what the caller can do.
 */
export const ERRORS = {
  // 400: not understood
  malformed_json: {
    status: 400,
    title: 'The body is not JSON',
    advice: 'Send one well-formed JSON document.',
  },
  malformed_request: {
    status: 400,
    title: 'The request is malformed',
    advice: 'Check path, query and headers against the documentation.',
  },
  request_timeout: {
    status: 408,
    title: 'The request did not arrive in time',
    advice: 'Send the whole request within a minute; nothing was done.',
  },
  unknown_query_parameter: {
    status: 400,
    title: 'Unknown query parameter',
    advice: 'Remove the named parameters.',
  },
  invalid_query_parameter: {
    status: 400,
    title: 'Invalid query parameter',
    advice: 'Correct the named parameters.',
  },
  invalid_idempotency_key: {
    status: 400,
    title: 'Invalid Idempotency-Key',
    advice: 'Send 1 to 255 visible ASCII characters.',
  },
  seat_not_found: {
    status: 400,
    title: 'The user has no seat',
    advice: 'Only a seat that was added can be removed.',
  },
  plan_not_free: {
    status: 400,
    title: 'The plan is not free',
    advice: 'Users enrol in plans whose prices charge nothing; make a subscription for others.',
  },
  webhook_signature_invalid: {
    status: 400,
    title: 'The signature of the webhook is not valid',
    advice:
      'Check the secret in the settings, that the body is unchanged, and the clock: 5 minutes are allowed.',
  },
  // 401, 403
  unauthorized: {
    status: 401,
    title: 'No valid API key',
    advice: 'Send `Authorization: Bearer <key>` with a key that is not revoked.',
  },
  forbidden: {
    status: 403,
    title: 'This key may not do that',
    advice: 'Use a secret key; triggers need their own trigger key.',
  },
  // 402
  insufficient_credit: {
    status: 402,
    title: 'Insufficient credit',
    advice: 'Grant credit and try again under a new idempotency key.',
  },
  // 404, 405
  not_found: {
    status: 404,
    title: 'Not found',
    advice: 'Check the id. What another tenant owns looks exactly like this.',
  },
  route_not_found: { status: 404, title: 'No such route', advice: 'Check method and path against /docs.' },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    advice: 'Use one of the methods in the Allow header.',
  },
  customer_not_found: {
    status: 404,
    title: 'No such customer',
    advice: 'Create the customer first, or check id and isExtCustId.',
  },
  grant_not_found: { status: 404, title: 'No such grant', advice: 'Check the grant id.' },
  // 409
  conflict: { status: 409, title: 'Conflict', advice: 'Read the current state and decide again.' },
  already_exists: {
    status: 409,
    title: 'This id is taken by something else',
    advice: 'Use another id, or send the first body again.',
  },
  external_id_taken: {
    status: 409,
    title: 'This external id belongs to another customer',
    advice: 'Use another external id.',
  },
  slug_taken: {
    status: 409,
    title: 'This slug belongs to another feature, or pricing table',
    advice: 'Use another slug; that of a deleted one stays taken.',
  },
  event_name_taken: {
    status: 409,
    title: 'Another meter counts this event',
    advice: 'Use that meter, or another event name.',
  },
  uniqueness_key_used: {
    status: 409,
    title: 'A grant with this uniqueness key exists',
    advice: 'The first grant stands; use a new key for a new grant.',
  },
  grant_not_active: {
    status: 409,
    title: 'The grant is not active',
    advice: 'Only an active or scheduled grant with something left can be revoked.',
  },
  amount_in_use: {
    status: 409,
    title: 'More of the grant is drawn or held',
    advice: 'A grant cannot be lowered below what was drawn and is held.',
  },
  window_in_use: {
    status: 409,
    title: 'The grant cannot have this window',
    advice:
      'The start moves only before it and before any use; the end lies after now, the start and all use.',
  },
  hold_not_open: {
    status: 409,
    title: 'The hold is over',
    advice: 'A hold is captured, released or timed out once.',
  },
  hold_exceeded: {
    status: 409,
    title: 'Less is held',
    advice: 'Capture at most what is held, or allow more.',
  },
  consumption_exceeded: {
    status: 409,
    title: 'Less is left to be taken back',
    advice: 'All reversals of a consumption together are at most the consumption.',
  },
  renewal_not_active: {
    status: 409,
    title: 'The series does not allow this now',
    advice: 'Check whether it is active, paused or cancelled, and what it renews by.',
  },
  invoice_not_open: {
    status: 409,
    title: 'The invoice does not allow this now',
    advice: 'Check its status; what was paid or credited in part is corrected by a credit note.',
  },
  credit_note_exceeded: {
    status: 409,
    title: 'Less of the invoice is left to be taken back',
    advice: 'All credit notes of an invoice together are at most what it charges.',
  },
  subscription_exists: {
    status: 409,
    title: 'The customer has a subscription',
    advice: 'Change or cancel that one, or send dangerouslyAllowMultipleSubscriptions.',
  },
  subscription_not_active: {
    status: 409,
    title: 'The subscription does not allow this now',
    advice: 'Check its status: trialing, active, paused or canceled.',
  },
  seat_taken: {
    status: 409,
    title: 'The user has a seat already',
    advice: 'Remove the seat first, or leave it.',
  },
  // 413, 415
  body_too_large: { status: 413, title: 'The body is over 1 MiB', advice: 'Send less in one request.' },
  unsupported_media_type: {
    status: 415,
    title: 'The body is not application/json',
    advice: 'Send `Content-Type: application/json`.',
  },
  // 417
  expectation_failed: {
    status: 417,
    title: 'Nothing but 100-continue can be expected',
    advice: 'Send `Expect: 100-continue`, or no such header.',
  },
  // 422: understood but not acceptable
  validation_failed: {
    status: 422,
    title: 'The body is not acceptable',
    advice: 'Correct every listed issue.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'The key was used with another input',
    advice: 'Use a new key, or send the first input again.',
  },
  unknown_reference: {
    status: 422,
    title: 'A reference names nothing that exists',
    advice: 'Create the referenced object first.',
  },
  unknown_event_name: {
    status: 422,
    title: 'No meter counts this event',
    advice: 'Create a meter with this event name first.',
  },
  meter_archived: { status: 422, title: 'The meter is archived', advice: 'Use an active meter.' },
  meter_does_not_draw: {
    status: 422,
    title: 'This meter measures but draws no credit',
    advice: 'Only sum and count meters draw.',
  },
  definition_inactive: {
    status: 422,
    title: 'The definition is inactive',
    advice: 'Activate it, or use another definition.',
  },
  timestamp_in_future: {
    status: 422,
    title: 'The time lies too far ahead',
    advice:
      'Live environments accept no trigger ahead of now, test clocks run at most 100 years ahead, usage lies at most 24 hours ahead.',
  },
  usage_too_old: {
    status: 422,
    title: 'The usage is older than accepted',
    advice: 'Usage is accepted back to MAX_EVENT_AGE.',
  },
  // 429, 503
  overloaded: {
    status: 503,
    title: 'Too many commands are waiting',
    advice: 'Try again after Retry-After with the same key.',
  },
  write_conflict: {
    status: 503,
    title: 'Others kept writing to the same account',
    advice: 'Try again after Retry-After with the same key.',
  },
  store_unavailable: {
    status: 503,
    title: 'The event store does not answer',
    advice: 'Try again after Retry-After with the same key.',
  },
  read_model_behind: {
    status: 503,
    title: 'The read model has not reached this position yet',
    advice: 'Try again after Retry-After.',
  },
  history_unreadable: {
    status: 503,
    title: 'The log holds an event that this version of the product does not know',
    advice:
      'Run the version that wrote it, or a newer one; nothing is lost, and the same key may be sent again then.',
  },
  shutting_down: {
    status: 503,
    title: 'The server is stopping',
    advice: 'Try again after Retry-After with the same key.',
  },
  internal: { status: 500, title: 'Internal error', advice: 'Report the instance id.' },
} as const satisfies Record<string, { status: number; title: string; advice: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** Every code an issue of a request can have, in one place for the same reason as {@link ERRORS}. */
export const ISSUES = {
  required: 'A member is missing.',
  type: 'A value has the wrong JSON type.',
  unknown_field: 'A member, or query parameter, is not known here.',
  not_allowed: 'A value is not among those allowed.',
  out_of_range: 'A number, or a number of entries, is out of its range.',
  length: 'A list has too few or too many entries.',
  too_short: 'A text is too short.',
  too_long: 'A text is too long.',
  too_deep: 'The body is nested deeper than 32 levels.',
  text_invalid: 'A text holds NUL or half of a surrogate pair.',
  number_too_precise: 'A JSON number has more digits than such numbers keep.',
  forbidden_name: 'A member may not have this name.',
  id_invalid:
    'An id must be 1 to 128 of letters, digits, `_`, `.`, `:` and `-`, beginning with a letter or digit.',
  metadata_invalid: 'Metadata must be flat: at most 50 texts of 500 characters under names of 40.',
  instant_invalid: 'A time must be ISO 8601 with a zone, to the millisecond, from 1970 to 9999.',
  cursor_invalid: 'A cursor must be one that this API gave.',
  email_invalid: 'An e-mail address has one @ with something on both sides.',
  country_invalid: 'A country is two capitals, as in ISO 3166-1.',
  language_unknown: 'A language must be a BCP 47 tag.',
  secret_invalid: 'A webhook secret is `whsec_` and what the provider shows after it.',
  secrets_key_missing: 'The server keeps no secrets: `SECRETS_KEY` is not set.',
  prefix_invalid: 'A prefix is 1 to 20 of A-Z, a-z, 0-9 and `-`.',
  domain_invalid: 'A domain has no @ and no spaces: `acme.example`.',
  url_invalid: 'A URL must be http or https.',
  slug_invalid: 'A slug is 1 to 64 of a-z, 0-9 and `-`.',
  timezone_unknown: 'A time zone must be an IANA name.',
  amount_invalid: 'An amount is a decimal string such as `"12.5"`: no exponent, no plus sign, no spaces.',
  amount_not_whole_number: 'A JSON number must be whole; write decimals as a string.',
  amount_too_precise: 'An amount has more decimals than its unit keeps.',
  amount_out_of_range: 'An amount has more than 24 digits before the point, or makes a balance that has.',
  amount_not_positive: 'An amount must be above zero.',
  amount_negative: 'An amount must be 0 or more.',
  unknown_reference: 'A reference names nothing that exists.',
  exclusive: 'Members exclude each other.',
  immutable: 'A member cannot be changed after creation.',
  differs: 'A member differs from the first use of the key or id.',
  duplicate: 'An id stands twice.',
  not_applicable: 'A member does not apply here.',
  not_with_definition: 'A member comes from the definition.',
  not_without_definition: 'A member needs a definition.',
  not_without_meter: 'A member needs a meter.',
  not_after_start: 'An end must lie after its start.',
  timestamp_in_future: 'A time lies too far ahead.',
  usage_too_old: 'Usage lies further back than is accepted.',
  unknown_event_name: 'No meter counts this event.',
  currency_unknown: 'A currency must be an ISO 4217 code.',
  currency_not_applicable: 'Only monetary credits have a currency.',
  usage_link_required: 'Usage credits need a feature, or a price or its component.',
  billing_visible_required: 'Monetary credits must have `billingVisible: true`.',
  renewal_ambiguous: 'A definition renews by rule or on billing, not both.',
  unit_mismatch: 'A definition cannot move to another unit.',
  plan_not_in_table: 'The plan is not in the pricing table.',
  plan_is_trial: 'The plan is a trial.',
  price_not_of_plan: 'The price belongs to another plan.',
  price_has_no_usage: 'The price has no usage component.',
  component_not_of_price: 'The component belongs to another price.',
  component_has_no_meter: 'The component counts no usage.',
  feature_has_no_meter: 'The feature counts no usage.',
  meter_does_not_draw: 'The meter measures but draws no credit.',
  rate_without_unit: 'A rate needs a unit to draw in.',
  rrule_invalid: 'A recurrence rule does not follow the grammar of RFC 5545.',
  rrule_tzid: 'A recurrence rule carries no TZID; the zone is a field of its own.',
  rrule_frequency_unsupported: 'A recurrence rule is DAILY, WEEKLY, MONTHLY or YEARLY.',
  rrule_part_unsupported: 'A part of the recurrence rule is not supported.',
  rrule_unbounded: 'A DAILY rule of a price needs COUNT or UNTIL.',
  rrule_never_matches: 'A recurrence rule can never match.',
} as const satisfies Record<string, string>;

export type IssueCode = keyof typeof ISSUES;

/** One issue of a request. `pointer` is an RFC 6901 pointer into the body, or `?name` for a query parameter. */
export interface Issue {
  readonly pointer: string;
  readonly code: IssueCode;
  readonly message: string;
}

/** An {@link Issue}. */
export const issue = (pointer: string, code: IssueCode, message: string): Issue => ({
  pointer,
  code,
  message,
});

/** A refusal that reaches the caller as an RFC 9457 problem. Nothing was written when it is thrown. */
export class Problem extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    readonly errors?: readonly Issue[],
    /** URI of what the problem is about; the same each time a recorded refusal is repeated. */
    readonly instance?: string,
    /** Further members of the problem document. */
    readonly members?: Readonly<Record<string, unknown>>,
  ) {
    super(`${code}: ${detail}`);
    this.name = 'Problem';
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}
