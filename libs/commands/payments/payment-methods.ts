import {
  paymentMethods,
  requestable,
  type PaymentMethod,
  type PaymentMethodCommand,
  type PaymentMethodEvent,
  type RequestedMethod,
} from '#libs/billing';
import type { PaymentProvider } from '#libs/catalog';
import { eventTypesOf } from '#libs/event-types';
import type { Instant, Json } from '#libs/kernel';
import type { Answered } from '../credits/answered.js';
import type { CreditsDeps } from '../credits/deps.js';
import { chooseId } from '../ids.js';
import type { CommandContext, StreamKind } from '../stream-kind.js';

/** How customers pay, named by the customer's id. */
const kind: StreamKind<readonly PaymentMethod[], PaymentMethodCommand, PaymentMethodEvent> = {
  category: 'paymentMethods',
  decider: paymentMethods,
  eventTypes: eventTypesOf('paymentMethods'),
};

/** A payment method as the API shows it. */
export interface PaymentMethodAnswer {
  readonly id: string;
  readonly provider: PaymentProvider;
  /** What the provider calls it. */
  readonly providerReference: string;
  readonly label: string | null;
  readonly addedAt: string;
}

/** `POST /v1/customers/{id}/payment-methods` and what may follow, its shape checked. */
export type PaymentMethodChange =
  | {
      readonly action: 'add';
      readonly request: {
        readonly id?: string;
        readonly provider: PaymentProvider;
        readonly providerReference: string;
        readonly label?: string;
      };
    }
  | { readonly action: 'remove'; readonly request: { readonly id: string } }
  | { readonly action: 'reorder'; readonly request: { readonly methodIds: readonly string[] } };

/**
 * Changes how a customer pays.
 * @returns all of the customer's methods, in the order in which they are tried
 * @throws Problem `already_exists`; `not_found`; `validation_failed`
 */
export async function changePaymentMethods(
  { writer, newId }: CreditsDeps,
  context: CommandContext,
  customerId: string,
  { action, request }: PaymentMethodChange,
): Promise<Answered<readonly PaymentMethodAnswer[]>> {
  const operation = `paymentMethods.${action}`;
  const { tenant, idempotencyKey: key } = context;
  const commandOf = (): ((now: Instant) => PaymentMethodCommand) => {
    switch (action) {
      case 'add': {
        const { id: given, provider, providerReference: reference, label } = request;
        const methodId = chooseId(newId, 'pm', {
          given,
          tenant,
          operation: `${operation}:${customerId}`,
          key,
        });
        const method = { methodId, provider, reference, ...(label === undefined ? {} : { label }) };
        return (now) => ({ type: 'AddPaymentMethod', method, now });
      }
      case 'remove':
        return (now) => ({ type: 'RemovePaymentMethod', methodId: request.id, now });
      case 'reorder':
        return (now) => ({ type: 'ReorderPaymentMethods', methodIds: request.methodIds, now });
    }
  };
  const written = await writer.execute(kind, customerId, {
    context,
    operation,
    input: { customerId, ...(request as Readonly<Record<string, Json>>) },
    command: commandOf(),
  });
  const body = (await written.stateAfter()).map(answerOf);
  return {
    body,
    status: action === 'add' && written.events.length > 0 ? 201 : 200,
    position: written.position,
    replayed: written.replayed,
  };
}

/** A customer's methods in the order in which they are tried. */
export async function readPaymentMethods(
  { writer }: Pick<CreditsDeps, 'writer'>,
  tenant: string,
  customerId: string,
): Promise<readonly PaymentMethodAnswer[]> {
  return (await writer.read(kind, tenant, customerId)).state.map(answerOf);
}

/** The same, as an invoice asks for them. */
export async function requestableMethods(
  { writer }: Pick<CreditsDeps, 'writer'>,
  tenant: string,
  customerId: string,
): Promise<readonly RequestedMethod[]> {
  return requestable((await writer.read(kind, tenant, customerId)).state);
}

const answerOf = ({ methodId, provider, reference, label, at }: PaymentMethod): PaymentMethodAnswer => ({
  id: methodId,
  provider,
  providerReference: reference,
  label: label ?? null,
  addedAt: at,
});
