import { expect, test } from '@jest/globals';
import { checkRenewalTerms, type RenewalTerms } from './renewal-terms.js';

const check = (terms: RenewalTerms): readonly string[] =>
  checkRenewalTerms(terms).map(({ pointer, code }) => `${pointer} ${code}`);

test('what renews says how, and what does not says nothing of it', () => {
  const ruled = { refillRrule: 'FREQ=MONTHLY' };
  const carry = { policy: 'carry', upTo: '5', fraction: '0.5' } as const;
  expect(check({ ...ruled, timezone: 'Europe/Berlin', rollover: carry, lifetimePeriods: 2 })).toEqual([]);
  expect(check({ ...ruled, timezone: 'Mars/Olympus', lifetimePeriods: 0 })).toEqual([
    '/timezone timezone_unknown',
    '/lifetimePeriods out_of_range',
  ]);
  const none = { renewOnBilling: false, timezone: 'UTC', rollover: carry, lifetimePeriods: 1 };
  expect(check(none)).toEqual([
    '/timezone not_applicable',
    '/rollover not_applicable',
    '/lifetimePeriods not_applicable',
  ]);
  expect(check({ ...ruled, expiryDays: 3, lifetimePeriods: 1, rollover: { policy: 'carry' } })).toEqual([
    '/lifetimePeriods exclusive',
    '/rollover/policy not_applicable',
  ]);
  expect(check({ ...ruled, rollover: { policy: 'reset', upTo: '1' } })).toEqual([
    '/rollover/upTo not_applicable',
  ]);
  expect(check({ ...ruled, rollover: { policy: 'carry', upTo: '0', fraction: '1.5' } })).toEqual([
    '/rollover/upTo amount_not_positive',
    '/rollover/fraction out_of_range',
  ]);
});
