/** A value that a field must refuse. */
export type Bad = unknown;

/** What a field takes, turned round: everything that it does not. */
export interface Field {
  readonly bad: readonly Bad[];
  readonly required?: boolean;
  /** Refused with this code and no pointer: what is addressed does not exist. */
  readonly missing?: { readonly code: string; readonly values: readonly string[] };
}

const NO_TEXT = [5, 1.5, true, {}, [], ['x'], { text: 'x' }];
const UNKEEPABLE = ['a\u0000b', '\ud800'];

export const required = (field: Field): Field => ({ ...field, required: true, bad: [...field.bad, null] });

export const text = (most: number): Field => ({ bad: [...NO_TEXT, ...UNKEEPABLE, '', 'x'.repeat(most + 1)] });

const BAD_IDS = [
  '',
  ' ',
  ' a',
  'a b',
  '../x',
  '-a',
  '_a',
  'é',
  'a/b',
  'a\n',
  'x'.repeat(129),
  'x'.repeat(100_000),
];
export const id: Field = { bad: [...NO_TEXT, ...UNKEEPABLE, ...BAD_IDS] };
/** The id of something in the catalogue. */
export const reference: Field = { bad: [...id.bad, 'no-such-thing'] };
export const textReference = (most: number): Field => ({ bad: [...text(most).bad, 'no-such-thing'] });
export const customer: Field = {
  ...required(text(256)),
  missing: {
    code: 'customer_not_found',
    values: ['no-such-customer', '../x', "'; drop table x; --", '__proto__'],
  },
};

const NO_AMOUNT = [
  ...[true, {}, [], ['1'], { amount: '1' }, 0.5, 1.000001, 1e21, 2 ** 53, -0.5],
  ...['', ' ', '1e3', '1E3', 'NaN', 'Infinity', '-Infinity', '0x10', '0b1', '1_000', '1,000', '1,5', '+5'],
  ...[
    '.5',
    '5.',
    '-.5',
    '٣',
    '１',
    '1 ',
    ' 1',
    '1\n',
    '--1',
    '1.2.3',
    '1.',
    '∞',
    '$5',
    '5USD',
    '1/2',
    'null',
  ],
  ...[
    '9'.repeat(25),
    '9'.repeat(40),
    '9'.repeat(100_000),
    `0.${'1'.repeat(20)}`,
    `1.${'0'.repeat(100_000)}1`,
  ],
];
const NEGATIVE = [-1, '-1', '-0.5'];
export const amount: Field = { bad: [...NO_AMOUNT, ...NEGATIVE] };
/** Above or below zero, not zero. */
export const signed: Field = { bad: [...NO_AMOUNT, 0, '0', '0.0'] };
export const positive: Field = { bad: [...NO_AMOUNT, ...NEGATIVE, 0, '0', '0.0', '0.000000000000'] };

export const instant: Field = {
  bad: [
    ...NO_TEXT,
    ...[
      '',
      'now',
      'yesterday',
      '1767225600',
      '2026-13-01T00:00:00Z',
      '2026-02-30T00:00:00Z',
      '2026-00-10T00:00:00Z',
    ],
    ...[
      '2026-01-01T24:30:00Z',
      '2026-01-01T25:00:00Z',
      '2026-01-01T00:60:00Z',
      '2026-01-01T00:00:00',
      '2026-01-01 00:00:00Z',
    ],
    ...[
      '2026-01-01T00:00:00+25:00',
      '2026-01-01T00:00:00.000001Z',
      '10000-01-01T00:00:00Z',
      '+002026-01-01T00:00:00Z',
    ],
    ...[
      '-000001-01-01T00:00:00Z',
      '1969-12-31T23:59:59Z',
      'T00:00:00Z',
      '2026-01-01T',
      '２026-01-01T00:00:00Z',
    ],
    '2026-01-01T00:00:00Z'.padEnd(100_000, ' '),
  ],
};

export const oneOf = (sample: string): Field => ({
  bad: [
    ...NO_TEXT,
    '',
    'nonsense',
    sample.toUpperCase() === sample ? sample.toLowerCase() : sample.toUpperCase(),
    `${sample} `,
  ],
});

const NO_NUMBER = ['1', 'NaN', '', true, {}, [], [1]];
export const whole = (least: number, most: number): Field => ({
  bad: [...NO_NUMBER, least - 1, most + 1, least + 0.5, 1e21, -1e21],
});
export const numberWithin = (least: number, most: number): Field => ({
  bad: [...NO_NUMBER, least - 1, most + 1, 1e21, least - 1e-9],
});
export const flag: Field = { bad: [0, 1, 'true', 'false', 'yes', '', {}, []] };

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, 'v']));
export const metadata: Field = {
  bad: [
    ...[
      5,
      'x',
      true,
      [],
      [['a', 'b']],
      { a: 1 },
      { a: true },
      { a: null },
      { a: {} },
      { a: ['b'] },
      { a: 'a\u0000b' },
    ],
    ...[{ ['k'.repeat(41)]: 'v' }, { a: 'v'.repeat(501) }, many(51)],
  ],
};
export const object: Field = { bad: [5, 'x', true, [], [{}]] };
export const list = (most: number, least = 0): Field => ({
  bad: [5, 'x', true, {}, Array.from({ length: most + 1 }, (_, n) => `x${n}`), ...(least > 0 ? [[]] : [])],
});
export const texts: Field = { bad: [...list(100).bad, [5], [null], [''], ['x', {}], ['x'.repeat(129)]] };

export const currency: Field = { bad: [...text(3).bad, 'US', 'usd', 'ZZZ', 'U$D', '840'] };
export const timezone: Field = { bad: [...text(64).bad, 'Mars/Olympus', 'UTC+25', '../etc/passwd'] };
export const email: Field = { bad: [...text(320).bad, 'nobody', '@', 'a@', '@b', 'a b@c', 'a@b@c'] };
export const slug: Field = { bad: [...NO_TEXT, '', 'Api', 'api_calls', 'a b', 'é', 'x'.repeat(65), 'a/b'] };
export const featureValue: Field = { bad: [null, {}, [], ['x'], 0.5, 1e21, '', 'x'.repeat(256), 'a\u0000b'] };
export const rule: Field = {
  bad: [
    ...text(2000).bad,
    ...[
      'FREQ',
      'FREQ=',
      'FREQ=SOMETIMES',
      'FREQ=SECONDLY',
      'FREQ=MONTHLY;INTERVAL=0',
      'FREQ=MONTHLY;INTERVAL=-1',
    ],
    ...['FREQ=MONTHLY;INTERVAL=x', 'INTERVAL=1', 'FREQ=MONTHLY;FREQ=DAILY', 'FREQ=MONTHLY;BYMONTHDAY=32'],
    ...[
      'FREQ=MONTHLY;COUNT=1;UNTIL=20300101T000000Z',
      'FREQ=MONTHLY;TZID=Europe/Berlin',
      'FREQ=MONTHLY;COUNT=0',
    ],
    ...[
      'DTSTART;TZID=America/New_York:20260101T000000\nRRULE:FREQ=MONTHLY',
      'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30',
    ],
    ...[
      'FREQ=MONTHLY;BYSETPOS=1',
      'FREQ=MONTHLY;X-FOO=1',
      'every month',
      'RRULE:RRULE:FREQ=DAILY',
      'FREQ=DAILY;BYHOUR=3',
    ],
  ],
};

/** Texts that are no JSON object at all. */
export const BROKEN_BODIES: readonly [body: string | Uint8Array, name: string][] = [
  ['', 'nothing'],
  ['{', 'an open brace'],
  ['{"a":1,}', 'a comma too many'],
  ["{'a':1}", 'single quotes'],
  ['{"a":NaN}', 'NaN'],
  ['{"a":Infinity}', 'Infinity'],
  ['{"a":0x10}', 'hexadecimal'],
  ['{"a":+5}', 'a plus sign'],
  ['{"a":.5}', 'a leading point'],
  ['{"a":5.}', 'a trailing point'],
  ['{"a":1_000}', 'an underscore'],
  ['{"a":01}', 'a leading zero'],
  ['{"a":undefined}', 'undefined'],
  ['{} {}', 'two documents'],
  ['{"a":"\u0001"}', 'a control character'],
  ['\ufeff{}', 'a byte order mark'],
  [Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'bytes that are not UTF-8'],
  ['[', 'an open bracket'],
];
