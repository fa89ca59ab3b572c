import type { PaymentProvider } from '#libs/catalog';
import {
  formatInstant,
  issue,
  Problem,
  type Decider,
  type DomainEvent,
  type Instant,
  type StoredId,
  type StoredInstant,
} from '#libs/kernel';
import type { RequestedMethod } from './invoice-events.js';

/** The facts of how a customer pays. No card, no account number: only what the provider calls it. */
export type PaymentMethodEvent =
  | DomainEvent<'PaymentMethodAdded', PaymentMethodAdded>
  | DomainEvent<'PaymentMethodRemoved', PaymentMethodRemoved>
  | DomainEvent<'PaymentMethodsReordered', PaymentMethodsReordered>;

/** The method comes after those that are there. */
export interface PaymentMethodAdded {
  readonly methodId: StoredId;
  readonly provider: PaymentProvider;
  /** What the provider calls it, such as `pm_1`; once per customer. */
  readonly reference: string;
  /** For people. */
  readonly label?: string;
  readonly at: StoredInstant;
}

/** It is not asked for any more. */
export interface PaymentMethodRemoved {
  readonly methodId: StoredId;
  readonly at: StoredInstant;
}

/** They are tried in this order from now on. */
export interface PaymentMethodsReordered {
  /** All of them. */
  readonly methodIds: readonly StoredId[];
  readonly at: StoredInstant;
}

export type PaymentMethod = PaymentMethodAdded;

export type PaymentMethodCommand =
  | {
      readonly type: 'AddPaymentMethod';
      readonly method: Omit<PaymentMethod, 'at'>;
      readonly now: Instant;
    }
  | { readonly type: 'RemovePaymentMethod'; readonly methodId: string; readonly now: Instant }
  | {
      readonly type: 'ReorderPaymentMethods';
      readonly methodIds: readonly string[];
      readonly now: Instant;
    };

/** Methods that a customer has at most. */
export const MAX_PAYMENT_METHODS = 20;

/**
 * How a customer pays: methods in the order in which they are tried.
 * @throws Problem `already_exists` for an id or reference that is another method's; `not_found`; `validation_failed` for
 *   one too many, and for an order that is not of exactly these methods
 */
export const paymentMethods: Decider<readonly PaymentMethod[], PaymentMethodCommand, PaymentMethodEvent> = {
  initialState: [],
  decide(command, methods) {
    const at = formatInstant(command.now);
    switch (command.type) {
      case 'AddPaymentMethod':
        return add(command.method, methods, at);
      case 'RemovePaymentMethod': {
        const { methodId } = command;
        if (!methods.some((method) => method.methodId === methodId))
          throw new Problem('not_found', `The customer has no payment method ${JSON.stringify(methodId)}.`);
        return [{ type: 'PaymentMethodRemoved', data: { methodId, at } }];
      }
      case 'ReorderPaymentMethods': {
        const { methodIds } = command;
        const own = methods.map(({ methodId }) => methodId);
        if ([...methodIds].sort().join() !== [...own].sort().join())
          throw unacceptable(
            '/methodIds',
            'not_allowed',
            'methodIds must be all of the customer, each once.',
          );
        const isSame = methodIds.every((methodId, index) => methodId === own[index]);
        return isSame ? [] : [{ type: 'PaymentMethodsReordered', data: { methodIds, at } }];
      }
    }
  },
  evolve(methods, { type, data }) {
    switch (type) {
      case 'PaymentMethodAdded':
        return [...methods, data];
      case 'PaymentMethodRemoved':
        return methods.filter(({ methodId }) => methodId !== data.methodId);
      case 'PaymentMethodsReordered':
        return data.methodIds.map((id) => methods.find(({ methodId }) => methodId === id)!);
    }
  },
};

function add(
  method: Omit<PaymentMethod, 'at'>,
  methods: readonly PaymentMethod[],
  at: string,
): readonly PaymentMethodEvent[] {
  const { methodId, provider, reference, label } = method;
  const same = methods.find((one) => one.methodId === methodId || one.reference === reference);
  if (same) {
    const differs =
      same.methodId !== methodId ||
      same.provider !== provider ||
      same.reference !== reference ||
      same.label !== label;
    if (!differs) return [];
    throw new Problem('already_exists', `The customer has ${same.methodId}, with another id or content.`);
  }
  if (methods.length >= MAX_PAYMENT_METHODS)
    throw unacceptable('', 'out_of_range', `A customer has at most ${MAX_PAYMENT_METHODS} payment methods.`);
  return [{ type: 'PaymentMethodAdded', data: { ...method, at } }];
}

/** As an invoice asks for them. */
export const requestable = (methods: readonly PaymentMethod[]): readonly RequestedMethod[] =>
  methods.map(({ methodId, provider, reference }) => ({ methodId, provider, reference }));

function unacceptable(pointer: string, code: 'not_allowed' | 'out_of_range', message: string): Problem {
  return new Problem('validation_failed', message, [issue(pointer, code, message)]);
}
