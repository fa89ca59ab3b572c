import currencyCodes from 'currency-codes';

export interface Currency {
  /** ISO 4217, three capitals. */
  readonly code: string;
  readonly name: string;
  /** Decimals of the major unit: 2 for USD, 0 for JPY. Amounts are counted in minor units. */
  readonly digits: number;
}

/** Every ISO 4217 currency, by code. */
export const CURRENCIES: ReadonlyMap<string, Currency> = new Map(
  currencyCodes.data
    .map(({ code, currency, digits }): [string, Currency] => [code, { code, name: currency, digits }])
    .sort(([a], [b]) => (a < b ? -1 : 1)),
);

export const isCurrency = (code: string): boolean => CURRENCIES.has(code);
