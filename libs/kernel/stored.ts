/**
 * What stored payloads are made of. The schemas of events are generated from these, patterns and words included
 * (docs/events.md), so a change here is a change of every event that uses them.
 */

/**
 * A decimal amount, 0 or more, in canonical form: no exponent, no leading or trailing zero.
 * @pattern ^(0|[1-9]\d*)(\.\d{0,11}[1-9])?$
 */
export type StoredAmount = string;

/**
 * A decimal in canonical form that may be below zero.
 * @pattern ^(0|-?[1-9]\d*|-?(0|[1-9]\d*)\.\d{0,11}[1-9])$
 */
export type StoredSignedAmount = string;

/**
 * A time in UTC, ISO 8601 to the millisecond, such as `2026-01-31T00:00:00.000Z`.
 * @pattern ^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$
 */
export type StoredInstant = string;

/**
 * The id of an object. What follows from another object carries its number behind a tilde: segments of an access schedule,
 * renewals and carried balances of a series.
 * @pattern ^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}(~carried)?(~\d{1,9})*$
 */
export type StoredId = string;
