/**
 * Does the work of a job on everything that is due, page by page; what fails does not keep the rest from it.
 * @param page ids behind `after`, in order; none: that was all
 * @param done told of each result, in the order of the ids of a page
 * @param together does all of a page where that is cheaper; where it fails each is done alone, with what it did already done again
 * @throws what the first that failed threw, when all others are done
 */
export async function eachDue<T>(
  page: (after: string | null) => Promise<readonly string[]>,
  one: (id: string) => Promise<T>,
  done: (result: T) => void,
  together?: (ids: readonly string[]) => Promise<T>,
): Promise<void> {
  const failures: unknown[] = [];
  for (let after: string | null = null; ;) {
    const ids: readonly string[] = await page(after);
    if (ids.length === 0) break;
    const all = together ? [together(ids)] : ids.map(one);
    let results = await Promise.allSettled(all);
    if (together && results[0]!.status === 'rejected') results = await Promise.allSettled(ids.map(one));
    for (const result of results)
      if (result.status === 'fulfilled') done(result.value);
      else failures.push(result.reason);
    after = ids.at(-1)!;
  }
  if (failures.length > 0) throw failures[0];
}
