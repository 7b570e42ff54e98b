// What runs in the browser: the OpenFeature web SDK with its OFREP provider, which keeps itself current by event streams alone.
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

const client = OpenFeature.getClient();
const seen = [];
for (const event of Object.values(ProviderEvents)) client.addHandler(event, () => seen.push(event));

const READ = { boolean: 'getBooleanDetails', string: 'getStringDetails', number: 'getNumberDetails', object: 'getObjectDetails' };

globalThis.tests = {
  provide: async ({ url, token, unit }) => {
    await OpenFeature.setContext({ targetingKey: unit });
    const provider = new OFREPWebProvider({ baseUrl: url, headers: [['Authorization', `Bearer ${token}`]] });
    await OpenFeature.setProviderAndWait(provider);
  },
  // Why a provider could not be used.
  provide_refused: async (fields) => {
    try {
      await globalThis.tests.provide(fields);
    } catch (error) {
      return String(error?.message ?? error) + ' ' + String(error?.cause ?? '');
    }
    throw new Error('it was not refused');
  },
  context: ({ unit }) => OpenFeature.setContext({ targetingKey: unit }),
  evaluate: ({ type, flag, fallback }) => client[READ[type]](flag, fallback),
  variants: async ({ flag, units }) => {
    const found = {};
    for (const unit of units) {
      await OpenFeature.setContext({ targetingKey: unit });
      found[unit] = client.getBooleanDetails(flag, false).variant ?? null;
    }
    return found;
  },
  events: () => seen,
};
