import { customerKind, type Customer } from '#libs/catalog';
import { foldDocuments, foldNamed } from '../catalog/fold-documents.js';
import type { Projection } from '../projection.js';
import { tableOf } from '../table.js';
import { CustomerRow } from './customers.entity.js';

const customers = tableOf(CustomerRow);
const FOLDS = new Map([[customerKind.category, foldNamed(customerKind.name)]]);

export const customersProjection: Projection = {
  name: 'customers',
  tables: [customers],
  categories: new Set(FOLDS.keys()),

  async project(events, sink) {
    const folded = await foldDocuments(events, sink, 'customers', FOLDS);
    await sink.upsert(
      customers,
      folded.map(({ tenant, stream, document, createdPosition, position }): CustomerRow => {
        const { externalCustomerId, name, email, customerOrganizationId } =
          document.attributes as unknown as Customer;
        return {
          tenant,
          id: document.id,
          stream,
          externalId: externalCustomerId ?? null,
          name,
          email: email?.toLowerCase() ?? null,
          organizationId: customerOrganizationId ?? null,
          body: JSON.stringify(document),
          createdPosition,
          position,
        };
      }),
    );
  },
};
