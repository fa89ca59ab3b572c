import { describe, expect, test } from '@jest/globals';
import type { Issue } from '#libs/kernel';
import {
  canonicalMatcher,
  customerKind,
  enrollmentPlan,
  enrollmentRuleKind,
  inDisplayOrder,
  planKind,
  presentDocument,
  pricingTableKind,
  readValueOf,
  versionOf,
  type Customer,
  type Document,
  type EnrollmentRule,
  type Plan,
  type PricingTable,
} from './index.js';

const codes = (issues: readonly Issue[]): readonly string[] =>
  issues.map(({ pointer, code }) => `${pointer} ${code}`);

const documentOf = <A extends object>(id: string, attributes: A) =>
  ({ id, attributes, createdWith: attributes, createdAt: '', updatedAt: '', archivedAt: null }) as never;

describe('a version of a plan', () => {
  test('from before there were versions is the first of its own', () => {
    const old = documentOf('plan_1', { planName: 'Pro' }) as Document<Plan>;
    expect(versionOf(old)).toEqual({ stablePlanId: 'plan_1', versionNumber: 1 });
    expect(presentDocument(planKind, old)).toMatchObject({
      stablePlanId: 'plan_1',
      versionNumber: 1,
      isActive: true,
    });
    const second = documentOf('plan_2', { planName: 'Pro', stablePlanId: 'plan_1', versionNumber: 2 });
    expect(versionOf(second)).toEqual({ stablePlanId: 'plan_1', versionNumber: 2 });
  });

  const trial = { isTrialPlan: true, trialParentPlanId: 'plan_1', trialDays: 14 };
  const enterprise = { isEnterprisePlan: true, enterpriseRedirectUrl: 'https://acme.example/contact' };
  const feature = (featureId: string) => ({ featureId, value: true });
  test.each<[string, Partial<Plan>, readonly string[]]>([
    ['a trial says what it becomes and when', trial, []],
    ['a trial of nothing', { isTrialPlan: true }, ['/trialParentPlanId required', '/trialDays required']],
    [
      'days without a trial',
      { ...trial, isTrialPlan: false },
      ['/trialParentPlanId not_applicable', '/trialDays not_applicable'],
    ],
    ['no days', { ...trial, trialDays: 0 }, ['/trialDays out_of_range']],
    ['too many days', { ...trial, trialDays: 3651 }, ['/trialDays out_of_range']],
    ['half a day', { ...trial, trialDays: 0.5 }, ['/trialDays out_of_range']],
    ['an enterprise plan leads elsewhere', enterprise, []],
    [
      'only an enterprise plan does',
      { ...enterprise, isEnterprisePlan: false },
      ['/enterpriseRedirectUrl not_applicable'],
    ],
    [
      'not to a script',
      { ...enterprise, enterpriseRedirectUrl: 'javascript:alert(1)' },
      ['/enterpriseRedirectUrl url_invalid'],
    ],
    [
      'not to nowhere',
      { ...enterprise, enterpriseRedirectUrl: 'https://' },
      ['/enterpriseRedirectUrl url_invalid'],
    ],
    ['a feature twice', { features: ['a', 'b', 'a'].map(feature) }, ['/features/2 duplicate']],
    ['a price twice', { priceIds: ['p', 'p'] }, ['/priceIds/1 duplicate']],
    [
      'more features than fit',
      { features: Array.from({ length: 501 }, (_, n) => feature(`f${n}`)) },
      ['/features out_of_range'],
    ],
  ])('%s', (_, members, expected) => {
    expect(codes(planKind.check({ planName: 'Pro', ...members }))).toEqual(expected);
  });

  test('takes values that fit the feature', () => {
    expect([readValueOf('number', 5), readValueOf('number', '5.50'), readValueOf('number', 'many')]).toEqual([
      '5',
      '5.5',
      null,
    ]);
    expect([readValueOf('boolean', false), readValueOf('boolean', 'false')]).toEqual([false, null]);
    expect([readValueOf('string', '5'), readValueOf('string', 5)]).toEqual(['5', null]);
  });
});

describe('a customer', () => {
  test.each<[string, Partial<Customer>, readonly string[]]>([
    [
      'with all there is',
      { preferredLanguage: 'en-GB', country: 'DE', taxRate: '0.19', invoicePrefix: 'ACME-1' },
      [],
    ],
    ['with a language that is none', { preferredLanguage: 'x y' }, ['/preferredLanguage language_unknown']],
    ['with a country by name', { country: 'de' }, ['/country country_invalid']],
    ['with an open prefix', { invoicePrefix: 'A_B' }, ['/invoicePrefix prefix_invalid']],
    ['with a long prefix', { invoicePrefix: 'A'.repeat(21) }, ['/invoicePrefix prefix_invalid']],
    ['exempt for a reason', { taxExempt: true, taxExemptReason: 'Charity' }, []],
    ['with a reason for nothing', { taxExemptReason: 'Charity' }, ['/taxExemptReason not_applicable']],
    ['exempt with a rate', { taxExempt: true, taxRate: '0' }, ['/taxRate exclusive']],
    ['not exempt with a rate of nothing', { taxExempt: false, taxRate: '0' }, []],
    ['taxed more than whole', { taxRate: '1.01' }, ['/taxRate out_of_range']],
    ['taxed below nothing', { taxRate: '-0.1' }, ['/taxRate out_of_range']],
    ['taxed in words', { taxRate: 'much' }, ['/taxRate amount_invalid']],
    ['that is an organisation', { orgRole: 'primary' }, []],
    ['that is in one', { orgRole: 'member', customerOrganizationId: 'c' }, []],
    ['that is a member of nothing', { orgRole: 'member' }, ['/customerOrganizationId required']],
    [
      'that is in one without being a member',
      { customerOrganizationId: 'c' },
      ['/customerOrganizationId not_applicable'],
    ],
    [
      'that is the organisation and in one',
      { orgRole: 'primary', customerOrganizationId: 'c' },
      ['/customerOrganizationId not_applicable'],
    ],
  ])('%s', (_, members, expected) => {
    expect(codes(customerKind.check({ name: 'Ada', ...members }))).toEqual(expected);
  });
});

describe('a pricing table', () => {
  const table: PricingTable = { name: 'Public', slug: 'public', isActive: true, planIds: ['a', 'b', 'c'] };
  test.each<[string, Partial<PricingTable>, readonly string[]]>([
    ['of plans', {}, []],
    ['of nothing', { planIds: [] }, ['/planIds out_of_range']],
    ['of too many', { planIds: Array.from({ length: 51 }, (_, n) => `p${n}`) }, ['/planIds out_of_range']],
    ['of a plan twice', { planIds: ['a', 'a'] }, ['/planIds/1 duplicate']],
    ['with a slug that is none', { slug: 'Our Prices' }, ['/slug slug_invalid']],
    [
      'that shows another plan',
      { planConfigs: [{ planId: 'b' }, { planId: 'z' }, { planId: 'b' }] },
      ['/planConfigs/1/planId plan_not_in_table', '/planConfigs/2/planId duplicate'],
    ],
  ])('%s', (_, members, expected) => {
    expect(codes(pricingTableKind.check({ ...table, ...members }))).toEqual(expected);
  });

  test('shows plans by displayOrder, those without behind, else as they came', () => {
    const planConfigs = [
      { planId: 'c', displayOrder: 0 },
      { planId: 'd', displayOrder: 0 },
      { planId: 'a', isPopular: true },
    ];
    expect(inDisplayOrder({ planIds: ['a', 'b', 'd', 'c'], planConfigs })).toEqual([
      planConfigs[1],
      planConfigs[0],
      planConfigs[2],
      { planId: 'b' },
    ]);
  });

  test('is active when it says so and is not archived', () => {
    const present = (attributes: PricingTable, archivedAt: string | null) =>
      presentDocument(pricingTableKind, { ...(documentOf('t', attributes) as object), archivedAt } as never)[
        'isActive'
      ];
    expect([
      present(table, null),
      present({ ...table, isActive: false }, null),
      present(table, 'now'),
    ]).toEqual([true, false, false]);
  });
});

describe('enrolment', () => {
  const rule = (matcherType: EnrollmentRule['matcherType'], matcherValue: string, planId: string) => ({
    planId,
    matcherType,
    matcherValue: canonicalMatcher(matcherType, matcherValue),
  });

  test.each<[EnrollmentRule['matcherType'], string, readonly string[]]>([
    ['domain', 'acme.example', []],
    ['domain', '@Acme.Example', []],
    ['domain', 'localhost', []],
    ['domain', 'ada@acme.example', ['/matcherValue domain_invalid']],
    ['domain', '@', ['/matcherValue domain_invalid']],
    ['domain', 'acme..example', ['/matcherValue domain_invalid']],
    ['email', 'Ada@acme.example', []],
    ['email', 'acme.example', ['/matcherValue email_invalid']],
  ])('a rule for %s %s', (type, value, expected) => {
    expect(codes(enrollmentRuleKind.check(rule(type, value, 'p')))).toEqual(expected);
  });

  const rules = [
    rule('email', 'ADA@acme.example', 'ada'),
    rule('domain', 'acme.example', 'acme'),
    rule('domain', '@acme.example', 'too late'),
  ];
  const offered = [
    { planId: 'paid', isFree: false },
    { planId: 'free', isFree: true },
    { planId: 'also free', isFree: true },
  ];
  test.each<[string, string, string | undefined, { planId: string; because: string } | null]>([
    ['the plan asked for wins', 'ada@acme.example', 'pro', { planId: 'pro', because: 'asked' }],
    ['then the first rule', 'Ada@Acme.example', undefined, { planId: 'ada', because: 'rule' }],
    ['by the domain behind the last @', 'x@y@ACME.example', undefined, { planId: 'acme', because: 'rule' }],
    ['not of another address', 'bob@acme.example', undefined, { planId: 'acme', because: 'rule' }],
    [
      'not of a domain below it',
      'bob@eu.acme.example',
      undefined,
      { planId: 'free', because: 'pricing_table' },
    ],
    [
      'nor of one that ends the same',
      'bob@notacme.example',
      undefined,
      { planId: 'free', because: 'pricing_table' },
    ],
  ])('%s', (_, email, planId, expected) => {
    expect(enrollmentPlan({ email, planId, rules, offered })).toEqual(expected);
  });

  test('finds none where none is free', () => {
    expect(enrollmentPlan({ email: 'a@b', rules, offered: offered.slice(0, 1) })).toBeNull();
  });
});
