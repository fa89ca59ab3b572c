import type { Position } from '#libs/event-store';

/** How far a process has written itself, by tenant and category of the streams. */
export function createLastWritten() {
  const tenants = new Map<string, Map<string, Position>>();
  return {
    note(tenant: string, category: string, position: Position): void {
      const last = tenants.get(tenant) ?? new Map<string, Position>();
      if (position > (last.get(category) ?? 0n)) tenants.set(tenant, last.set(category, position));
    },
    /** Over all categories but one; 0 when nothing was written. */
    of(tenant: string, exceptCategory: string): Position {
      let furthest = 0n;
      for (const [category, position] of tenants.get(tenant) ?? [])
        if (category !== exceptCategory && position > furthest) furthest = position;
      return furthest;
    },
  };
}
