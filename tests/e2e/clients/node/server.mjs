// The OpenFeature server SDK with the provider that is asked for, driven by JSON lines.
import { OpenFeature } from '@openfeature/server-sdk';
import { FlagdProvider } from '@openfeature/flagd-provider';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { answerLines } from './lines.mjs';

const PROVIDERS = { ofrep: OFREPProvider, flagd: FlagdProvider };
const client = OpenFeature.getClient('tests');

const evaluate = async ({ type, flag, fallback, context }) => {
  const read = { boolean: 'getBooleanDetails', string: 'getStringDetails', number: 'getNumberDetails', object: 'getObjectDetails' };
  return client[read[type]](flag, fallback, context);
};

await answerLines({
  provide: async ({ provider, options }) => {
    await OpenFeature.setProviderAndWait('tests', new PROVIDERS[provider](options));
  },
  evaluate,
  variants: async ({ flag, units }) => {
    const found = {};
    for (const unit of units) {
      found[unit] = (await evaluate({ type: 'boolean', flag, fallback: false, context: { targetingKey: unit } })).variant ?? null;
    }
    return found;
  },
});
await OpenFeature.close();
process.exit(0);
