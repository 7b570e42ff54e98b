// The OpenFeature server SDK with the provider that is asked for, driven by JSON lines.
import { OpenFeature } from '@openfeature/server-sdk';
import { FlagdProvider } from '@openfeature/flagd-provider';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { EventHook } from '@openfeature/open-telemetry-hooks';
import { logs } from '@opentelemetry/api-logs';
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtobufExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { answerLines } from './lines.mjs';

const PROVIDERS = { ofrep: OFREPProvider, flagd: FlagdProvider };
const EXPORTERS = { json: JsonExporter, protobuf: ProtobufExporter };
let telemetry;
const client = OpenFeature.getClient('tests');

const evaluate = async ({ type, flag, fallback, context }) => {
  const read = { boolean: 'getBooleanDetails', string: 'getStringDetails', number: 'getNumberDetails', object: 'getObjectDetails' };
  return client[read[type]](flag, fallback, context);
};

await answerLines({
  provide: async ({ provider, options }) => {
    await OpenFeature.setProviderAndWait('tests', new PROVIDERS[provider](options));
  },
  // From here on every evaluation is reported as an OpenTelemetry log event, as a service with the hook does it.
  report: ({ encoding, options }) => {
    const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor(new EXPORTERS[encoding](options))] });
    logs.disable();
    logs.setGlobalLoggerProvider(provider);
    telemetry = provider;
    OpenFeature.clearHooks();
    OpenFeature.addHooks(new EventHook());
  },
  flush: () => telemetry.forceFlush(),
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
