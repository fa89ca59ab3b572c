import {
  accountKind,
  issueGrant,
  type Answered,
  type CreditsDeps,
  type Locate,
  type Refused,
} from '#libs/commands/credits';
import type { GrantAnswer } from '#libs/credits';
import { createCustomer } from '#libs/commands/catalog';
import type { RecordedEvent } from '#libs/event-store';
import { createMeter } from '../../libs/commands/catalog/meters.js';
import { createUnit } from '../../libs/commands/catalog/units.js';
import { asked, catalogWorld, tenant, type CatalogWorld } from './catalog-world.js';
import { logSoFar } from './log-so-far.js';

/** Accounts on a log in memory, looked up in the log itself; the customer `c1`, the unit `credits`, the meter `m1` of `calls`, 2 credits each. */
export interface CreditsWorld extends CatalogWorld {
  deps: CreditsDeps;
  grant(members: object): Promise<GrantAnswer>;
  /** Types of the account's events. */
  types(): Promise<readonly string[]>;
}

export function creditsWorld(): CreditsWorld {
  const world = catalogWorld() as CreditsWorld;
  let recorded: () => Promise<readonly RecordedEvent[]>;
  const locate =
    (matches: (event: RecordedEvent, id: string) => boolean): Locate =>
    async (_, id) => {
      const event = (await recorded()).find((one) => matches(one, id));
      return event ? { customerId: customerOf(event), revision: event.revision } : null;
    };
  world.grant = async (members) =>
    bodyOf(await issueGrant(world.deps, asked, { customerId: 'c1', unit: 'credits', ...members }, false));
  world.types = async () =>
    (await recorded()).filter(({ stream }) => stream.startsWith('creditAccount')).map(({ type }) => type);
  const empty = world.reset;
  world.reset = async () => {
    await empty();
    recorded = logSoFar(world.eventStore, (event) => [event]);
    const { writer, newId } = world.ports;
    world.deps = {
      writer,
      eventStore: world.eventStore,
      catalog: world.reader,
      newId,
      account: accountKind(0),
      now: () => world.now,
      expiryGrace: 0,
      maxEventAge: 34 * 86_400_000,
      locateGrant: locate(({ type, data }, id) => type === 'GrantIssued' && data['grantId'] === id),
      locateHold: locate(({ type, data }, id) => type === 'HoldPlaced' && data['holdId'] === id),
      locateSeries: locate(({ type, data }, id) => type === 'RenewalBegun' && data['seriesId'] === id),
      locateConsumption: locate(({ type, data }, id) =>
        type === 'HoldCaptured'
          ? data['holdId'] === id
          : (type === 'CreditsConsumed' || type === 'ConsumptionRefused') && data['consumptionId'] === id,
      ),
      drawnByMeter: async (_, customerId, meterId, limit) =>
        (await recorded())
          .filter((event) => event.type === 'CreditsConsumed' && customerOf(event) === customerId)
          .filter(({ data }) => (data['usage'] as { meterId?: string } | undefined)?.meterId === meterId)
          .map(({ data, revision }) => ({ consumptionId: String(data['consumptionId']), revision }))
          .reverse()
          .slice(0, limit),
      settleBilling: () => Promise.resolve(),
      customersDue: (_, __, after) => Promise.resolve(after === null ? ['c1'] : []),
    };
    await createCustomer(world.ports, asked, { id: 'c1', name: 'Ada', timezone: 'Europe/Berlin' });
    await createUnit(world.ports, asked, { code: 'credits', scale: 2 });
    await createMeter(world.ports, asked, { id: 'm1', eventName: 'calls', unit: 'credits', rate: 2 });
  };
  return world;
}

const customerOf = ({ stream }: RecordedEvent): string => stream.slice(`creditAccount-${tenant}_`.length);

/** @throws the Problem of a refusal */
export function bodyOf<Body>(outcome: Answered<Body> | Refused): Body {
  if ('problem' in outcome) throw outcome.problem;
  return outcome.body;
}
