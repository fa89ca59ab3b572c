import { describe, expect, test } from '@jest/globals';
import { Problem } from '#libs/kernel';
import type { IngestedUsage } from '#libs/commands/credits';
import { batchAnswer } from './batch-answer.js';

const taken = (replayed = false) =>
  ({ body: { deduplicated: replayed }, position: 1n, replayed }) as unknown as IngestedUsage;
const full = new Problem('overloaded', '20000 commands are waiting.');
const gone = new Problem('store_unavailable', 'The event store does not answer.');
const bad = new Problem('validation_failed', 'One issue.');

describe('the answer to a batch', () => {
  test('is the problem where all were turned away for a reason that passes', () => {
    expect(() => batchAnswer([full, gone], 'r')).toThrow(full);
    expect(batchAnswer([full, bad], 'r')).toMatchObject({
      mayBeSentAgain: true,
      replayed: false,
      body: { accepted: 0, rejected: 2, errors: [{ index: 0, error: { status: 503 } }, { index: 1 }] },
    });
  });

  test('tells of each event, and whether some may be sent again', () => {
    expect(batchAnswer([taken(), gone, bad, taken(true)], 'r')).toMatchObject({
      mayBeSentAgain: true,
      replayed: false,
      body: {
        accepted: 2,
        rejected: 2,
        errors: [
          { index: 1, error: { code: 'store_unavailable', instance: '/requests/r%2F1' } },
          { index: 2, error: { code: 'validation_failed' } },
        ],
        results: [{ deduplicated: false }, null, null, { deduplicated: true }],
      },
    });
    expect(batchAnswer([taken(true), bad], 'r')).toMatchObject({ mayBeSentAgain: false, replayed: true });
    expect(batchAnswer([bad], 'r')).toMatchObject({ mayBeSentAgain: false, replayed: false });
  });
});
