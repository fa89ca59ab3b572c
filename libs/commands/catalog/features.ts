import { readFeatureValue, readValueOf } from '#libs/catalog';
import type { Changes, Feature } from '#libs/catalog';
import { issue } from '#libs/kernel';
import type { Issue } from '#libs/kernel';
import { chooseId, derivedId } from '../ids.js';
import type { CommandContext } from '../stream-kind.js';
import { features } from './catalog-kinds.js';
import {
  archiveDocument,
  claim,
  createDocument,
  unknownReference,
  updateDocument,
} from './catalog-writer.js';
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

/** Members to change; null unsets. Those that cannot change are refused when they differ. */
export type FeatureChanges = { readonly [M in keyof Omit<FeatureInput, 'id'>]?: FeatureInput[M] | null };

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

/** What plans and subscriptions have copied stays as it is. */
export async function updateFeature(
  ports: CatalogPorts,
  context: CommandContext,
  id: string,
  input: FeatureChanges,
): Promise<DocumentWritten<Feature>> {
  const { metricIds, featureValue: wanted, ...members } = input;
  const issues: Issue[] = [];
  const feature = await ports.reader.feature(context.tenant, id);
  let featureValue: boolean | string | undefined;
  if (wanted != null && feature) {
    const { featureType } = feature.attributes;
    featureValue = readValueOf(featureType, wanted) ?? undefined;
    if (featureValue === undefined)
      issues.push(issue('/featureValue', 'type', `The value of this feature must be a ${featureType}.`));
  }
  const changes: Changes<Feature> = {
    ...members,
    ...(featureValue === undefined ? {} : { featureValue }),
    ...(metricIds?.[0] === undefined ? {} : { meterId: metricIds[0] }),
  };
  return updateDocument(ports, features, {
    context,
    operation: 'features.update',
    id,
    input,
    changes,
    issues,
  });
}

/** It is in no plan's answer and no new subscription any more; its slug stays taken. */
export const archiveFeature = (
  ports: CatalogPorts,
  context: CommandContext,
  id: string,
): Promise<DocumentWritten<Feature>> =>
  archiveDocument(ports, features, { context, operation: 'features.archive', id });

const claimSlug = (ports: CatalogPorts, context: CommandContext, slug: string, id: string): Promise<void> =>
  claim(ports, context, {
    what: 'featureSlug',
    value: slug,
    owner: id,
    taken: { code: 'slug_taken', detail: `Another feature has the slug ${JSON.stringify(slug)}.` },
    holds: async (owner) =>
      (await ports.writer.read(features, context.tenant, owner, 0)).state?.attributes.slug === slug,
  });
