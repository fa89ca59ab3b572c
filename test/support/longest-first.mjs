import sequencer from '@jest/test-sequencer';

/** Files that take longest, though they are short themselves: begun last, they would leave the other worker idle. */
const LONG = [
  ...['test/outages/', 'test/simulation/', 'test/e2e/processes', 'test/transfer/', 'test/e2e/cli'],
  ...['test/read-models/verify', 'test/e2e/schedules', 'test/contract/eventstoredb.spec', 'test/cli/'],
];

const Sequencer = sequencer.default ?? sequencer;

/** The order of the test files: the long ones, then as the runner thinks best. */
export default class LongestFirst extends Sequencer {
  async sort(tests) {
    const sorted = await super.sort(tests);
    const isLong = ({ path }) => LONG.some((part) => path.includes(part));
    return [...sorted.filter(isLong), ...sorted.filter((test) => !isLong(test))];
  }
}
