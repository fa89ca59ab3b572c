/** One measure of ours beside one of a baseline, taken in the same run on the same server. */
export interface Comparison {
  readonly name: string;
  readonly ours: number;
  readonly baseline: number;
  readonly baselineName: string;
  /** How many times better we are. */
  readonly ratio: number;
  readonly goal: number;
  readonly unit: string;
}
