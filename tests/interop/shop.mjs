// A shop that knows nothing of Driftline: it records its orders with OpenTelemetry's SDK for JavaScript and ends.
// node shop.mjs URL exponential|explicit < orders.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(`${process.env.MODULES}/`);
const { MeterProvider, PeriodicExportingMetricReader, AggregationType } = require("@opentelemetry/sdk-metrics");
const { OTLPMetricExporter } = require("@opentelemetry/exporter-metrics-otlp-proto");
const { resourceFromAttributes } = require("@opentelemetry/resources");

const [url, aggregation] = process.argv.slice(2); // the temporality is that of OTEL_EXPORTER_OTLP_METRICS_...
const orders = JSON.parse(readFileSync(0, "utf8"));
const exporter = new OTLPMetricExporter({ url });
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3600000 });
const type =
  aggregation === "exponential" ? AggregationType.EXPONENTIAL_HISTOGRAM : AggregationType.EXPLICIT_BUCKET_HISTOGRAM;
const provider = new MeterProvider({
  resource: resourceFromAttributes({ "service.name": "shop-js", "deployment.environment.name": "live" }),
  readers: [reader],
  views: aggregation === "exponential" ? [{ instrumentName: "order.*", aggregation: { type } }] : [],
});
const meter = provider.getMeter("shop");
const amount = meter.createHistogram("order.amount", {
  unit: "EUR",
  advice: { explicitBucketBoundaries: orders.bounds },
});
const plan = meter.createCounter("order.plan");
for (let row = 0; row < orders.amount.length; row++) {
  amount.record(orders.amount[row], { country: row % 3 ? "fr" : "de" });
  plan.add(1, { plan: orders.plan[row] });
  if (row % 1000 === 999) await provider.forceFlush();
}
await provider.shutdown();
