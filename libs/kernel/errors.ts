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
  slug_taken: { status: 409, title: 'This slug belongs to another feature', advice: 'Use another slug.' },
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
  // 413, 415
  body_too_large: { status: 413, title: 'The body is over 1 MiB', advice: 'Send less in one request.' },
  unsupported_media_type: {
    status: 415,
    title: 'The body is not application/json',
    advice: 'Send `Content-Type: application/json`.',
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
    advice: 'Live environments accept no trigger ahead of now, and usage at most 24 hours ahead.',
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
  shutting_down: {
    status: 503,
    title: 'The server is stopping',
    advice: 'Try again after Retry-After with the same key.',
  },
  internal: { status: 500, title: 'Internal error', advice: 'Report the instance id.' },
} as const satisfies Record<string, { status: number; title: string; advice: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** One issue of a request. `pointer` is an RFC 6901 pointer into the body, or `?name` for a query parameter. */
export interface Issue {
  readonly pointer: string;
  readonly code: string;
  readonly message: string;
}

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
