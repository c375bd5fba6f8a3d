import { integer, oneOf, optional, parseBoolean, parseText } from './parsers.ts'
import { parseAttributes, parseCollector, parseHeaders, parseProtocol, parseRatio } from './otel-parsers.ts'
import { setting } from './setting.ts'

const MAX_TIMER_MS = 2 ** 31 - 1

const ofTraces = (variable: string) => `${variable}, for traces`
const milliseconds = integer(1, MAX_TIMER_MS)
const compression = oneOf('none', 'gzip')

/** OpenTelemetry's own variables, as far as they are about traces. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */
export const otelSettings = {
  otelEndpoint: setting(
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    '',
    optional(parseCollector),
    'where traces of requests go, to /v1/traces below it; without it, or the next, there are none',
  ),
  otelTracesEndpoint: setting(
    'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    '',
    optional(parseCollector),
    'where traces go, the whole URL',
  ),
  otelHeaders: {
    ...setting('OTEL_EXPORTER_OTLP_HEADERS', '', parseHeaders, 'what the collector knows a client by: name=value,...'),
    secret: true,
  },
  otelTracesHeaders: {
    ...setting('OTEL_EXPORTER_OTLP_TRACES_HEADERS', '', parseHeaders, 'headers for traces alone, beside these'),
    secret: true,
  },
  otelTimeout: setting('OTEL_EXPORTER_OTLP_TIMEOUT', '10000', milliseconds, 'of one delivery, in milliseconds'),
  otelTracesTimeout: setting(
    'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT',
    '',
    optional(milliseconds),
    ofTraces('OTEL_EXPORTER_OTLP_TIMEOUT'),
  ),
  otelCompression: setting('OTEL_EXPORTER_OTLP_COMPRESSION', 'none', compression, 'none or gzip'),
  otelTracesCompression: setting(
    'OTEL_EXPORTER_OTLP_TRACES_COMPRESSION',
    '',
    optional(compression),
    ofTraces('OTEL_EXPORTER_OTLP_COMPRESSION'),
  ),
  otelProtocol: setting('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf', parseProtocol, 'http/protobuf and no other'),
  otelTracesProtocol: setting(
    'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
    '',
    optional(parseProtocol),
    ofTraces('OTEL_EXPORTER_OTLP_PROTOCOL'),
  ),
  otelTracesExporter: setting('OTEL_TRACES_EXPORTER', 'otlp', oneOf('otlp', 'none'), 'none: no traces'),
  otelDisabled: setting('OTEL_SDK_DISABLED', 'false', parseBoolean, 'true: no traces'),
  otelServiceName: setting('OTEL_SERVICE_NAME', '', optional(parseText), 'service.name of its traces, else ollascope'),
  otelResource: setting(
    'OTEL_RESOURCE_ATTRIBUTES',
    '',
    parseAttributes,
    'what else its traces say of it: name=value,...',
  ),
  otelSampler: setting(
    'OTEL_TRACES_SAMPLER',
    'parentbased_always_on',
    oneOf(
      'always_on',
      'always_off',
      'traceidratio',
      'parentbased_always_on',
      'parentbased_always_off',
      'parentbased_traceidratio',
    ),
    'which requests are traced; parentbased_: as the caller says, where it says something',
  ),
  otelSamplerRatio: setting('OTEL_TRACES_SAMPLER_ARG', '', optional(parseRatio), 'for traceidratio: 0 to 1, else 1'),
  otelScheduleDelay: setting('OTEL_BSP_SCHEDULE_DELAY', '5000', milliseconds, 'between two deliveries, milliseconds'),
  otelExportTimeout: setting('OTEL_BSP_EXPORT_TIMEOUT', '30000', milliseconds, 'after which spans are given up'),
  otelQueueSize: setting('OTEL_BSP_MAX_QUEUE_SIZE', '2048', integer(1, 100_000), 'spans that wait; more are dropped'),
  otelBatchSize: setting('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', '512', integer(1, 100_000), 'spans of one delivery'),
} as const
