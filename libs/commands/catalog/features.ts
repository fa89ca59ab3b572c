import { readFeatureValue } from '#libs/catalog';
import type { Feature } from '#libs/catalog';
import type { Issue } from '#libs/kernel';
import { chooseId, derivedId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { features } from './catalog-kinds.js';
import { claim, createDocument, unknownReference } from './catalog-writer.js';
import type { CatalogPorts, DocumentWritten } from './catalog-writer.js';
import { ensureMeter } from './meters.js';

export type FeatureInput = {
  readonly id?: string | undefined;
  readonly slug: string;
  readonly displayName: string;
  readonly description?: string | undefined;
  readonly featureValue: boolean | number | string;
  readonly meterId?: string | undefined;
  /** Another name of `meterId`: a list of one. */
  readonly metricIds?: readonly string[] | undefined;
};

/** Claims the slug, makes the meter a numeric feature lacks, then the feature. */
export async function createFeature(
  ports: CatalogPorts,
  context: CommandContext,
  input: FeatureInput,
): Promise<DocumentWritten<Feature>> {
  const { tenant } = context;
  const operation = 'features.create';
  const id = chooseId(ports.newId, 'feat', {
    given: input.id ?? undefined,
    tenant,
    operation,
    key: context.idempotencyKey,
  });
  const { slug, displayName, description } = input;
  const issues: Issue[] = [];
  const value = readFeatureValue(input.featureValue);
  if (!value)
    issues.push({
      pointer: '/featureValue',
      code: 'amount_invalid',
      message: 'featureValue must be a boolean, a whole number, a decimal string or a text.',
    });
  const { featureType, featureValue } = value ?? { featureType: 'string', featureValue: '' };
  const alias = input.metricIds?.[0];
  if (alias !== undefined && input.meterId != null && alias !== input.meterId)
    issues.push({
      pointer: '/metricIds',
      code: 'exclusive',
      message: 'metricIds and meterId name different meters.',
    });
  const named = input.meterId ?? alias;
  if (named !== undefined && !(await ports.reader.meter(tenant, named)))
    issues.push(unknownReference(input.meterId != null ? '/meterId' : '/metricIds/0', 'meter', named));

  // known before the meter stands, so that a create sent again compares equal
  const ownMeter = derivedId('mtr', tenant, 'features.meter', id);
  const meterId =
    named ??
    (featureType === 'number'
      ? ((await ports.reader.meterByEventName(tenant, slug))?.id ?? ownMeter)
      : undefined);
  const attributes: Feature = { slug, displayName, description, featureValue, featureType, meterId };
  const prepare = async (): Promise<Partial<Feature>> => {
    await claimSlug(ports, context, slug, id);
    const makesMeter = named === undefined && featureType === 'number';
    return makesMeter ? { meterId: await ensureMeter(ports, context, slug, ownMeter) } : {};
  };
  return createDocument(ports, features, { context, operation, id, input, attributes, issues, prepare });
}

const claimSlug = (ports: CatalogPorts, context: CommandContext, slug: string, id: string): Promise<void> =>
  claim(ports, context, {
    what: 'featureSlug',
    value: slug,
    owner: id,
    taken: { code: 'slug_taken', detail: `Another feature has the slug ${JSON.stringify(slug)}.` },
    holds: async (owner) =>
      (await ports.writer.read(features, context.tenant, owner, 0)).state?.attributes.slug === slug,
  });
