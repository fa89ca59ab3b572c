import { currencyUnit, DEFAULT_SCALE } from '#libs/catalog';
import type { Document, Unit } from '#libs/catalog';
import { Problem } from '#libs/kernel';
import type { CommandContext } from '../stream-kind.js';
import { units } from './catalog-kinds.js';
import { createDocument, withoutKey } from './catalog-writer.js';
import type { CatalogPorts, DocumentWritten } from './catalog-writer.js';

export type UnitInput = {
  readonly code: string;
  /** Default `custom`. */
  readonly kind?: Unit['kind'] | undefined;
  readonly scale?: number | undefined;
  readonly name?: string | undefined;
};

/** @throws Problem `already_exists` when the code means something else, ISO 4217 included */
export async function createUnit(
  ports: CatalogPorts,
  context: CommandContext,
  input: UnitInput,
): Promise<DocumentWritten<Unit>> {
  const { code, name } = input;
  const attributes: Unit = { code, kind: input.kind ?? 'custom', scale: input.scale ?? DEFAULT_SCALE, name };
  const currency = currencyUnit(code);
  if (!currency)
    return createDocument(ports, units, { context, operation: 'units.create', id: code, input, attributes });
  refuseOtherThanCurrency(currency, attributes);
  const { position } = await ports.writer.read(units, context.tenant, code, 0);
  return { document: currency, created: false, replayed: false, position };
}

function refuseOtherThanCurrency({ attributes: currency }: Document<Unit>, wanted: Unit): void {
  const different = (['kind', 'scale', 'name'] as const).filter(
    (member) => wanted[member] != null && wanted[member] !== currency[member],
  );
  if (different.length > 0)
    throw new Problem(
      'already_exists',
      `${currency.code} is an ISO 4217 currency, with another ${different.join(', ')}.`,
      different.map((member) => ({
        pointer: `/${member}`,
        code: 'differs',
        message: `${currency.code} has ${currency[member]}.`,
      })),
    );
}

/**
 * The usage unit of a meter's own: made when it is missing, shared with other meters of that event name's code.
 * @throws Problem `already_exists` when the code is a custom unit or a currency
 */
export async function ensureUsageUnit(
  ports: CatalogPorts,
  context: CommandContext,
  code: string,
): Promise<void> {
  const existing = currencyUnit(code) ?? (await ports.writer.read(units, context.tenant, code, 0)).state;
  if (!existing) {
    const attributes: Unit = { code, kind: 'usage', scale: DEFAULT_SCALE };
    try {
      await createDocument(ports, units, {
        context: withoutKey(context),
        operation: 'units.create',
        id: code,
        input: attributes,
        attributes,
      });
      return;
    } catch (error) {
      // somebody was faster; what stands there now decides
      if (!(error instanceof Problem) || error.code !== 'already_exists') throw error;
    }
  }
  const unit = existing ?? (await ports.writer.read(units, context.tenant, code, 0)).state;
  if (unit?.attributes.kind !== 'usage')
    throw new Problem(
      'already_exists',
      `${JSON.stringify(code)} is a ${unit?.attributes.kind} unit; name it in "unit", or use another event name.`,
    );
}
