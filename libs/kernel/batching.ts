export interface BatchOptions {
  /** Most questions asked at once. */
  readonly most: number;
  /** Most batches under way at once. */
  readonly atOnce: number;
  /** Questions that must wait before a batch goes out beside another one: many cost little more than few. */
  readonly worth: number;
}

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Asks together what is asked in the same turn of the event loop, or while an answer is under way.
 * @param ask answers in the order of the questions; what it throws, all of them are told
 */
export function inBatches<Question, Answer>(
  ask: (questions: readonly Question[]) => Promise<readonly Answer[]>,
  { most, atOnce, worth }: BatchOptions,
): (question: Question) => Promise<Answer> {
  const waiting: Waiting<Question, Answer>[] = [];
  let asking = 0;
  let scheduled = false;

  function schedule(): void {
    if (scheduled || waiting.length === 0) return;
    scheduled = true;
    setImmediate(askWaiting);
  }

  function askWaiting(): void {
    scheduled = false;
    while (waiting.length > 0 && (asking === 0 || (asking < atOnce && waiting.length >= worth)))
      void askSome(waiting.splice(0, most));
  }

  async function askSome(some: readonly Waiting<Question, Answer>[]): Promise<void> {
    asking++;
    try {
      const answers = await ask(some.map(({ question }) => question));
      some.forEach(({ resolve }, index) => resolve(answers[index]!));
    } catch (error) {
      for (const { reject } of some) reject(error);
    } finally {
      asking--;
      schedule();
    }
  }

  return (question) =>
    new Promise((resolve, reject) => {
      waiting.push({ question, resolve, reject });
      schedule();
    });
}
