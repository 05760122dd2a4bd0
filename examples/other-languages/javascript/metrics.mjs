// No row leaves the process: batches of predictions as metrics only, marked by driftline.capture on the resource.
import { metrics } from "@opentelemetry/api";
import { NodeSDK, resources } from "@opentelemetry/sdk-node";

const sdk = new NodeSDK({ resource: resources.resourceFromAttributes({ "driftline.capture": "metrics" }) });
sdk.start();
const meter = metrics.getMeter("churn-service");
const predictions = meter.createCounter("ml.predictions", { unit: "{prediction}" });
const rows = meter.createCounter("driftline.distribution.rows", { unit: "{row}" }); // a duration is then a call
const duration = meter.createHistogram("ml.predict.duration", { unit: "s" });
const tenths = { advice: { explicitBucketBoundaries: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] } };
const score = meter.createHistogram("driftline.prediction.score", { unit: "{score}", ...tenths });
const feature = meter.createHistogram("driftline.feature.distribution", {
  unit: "{value}",
  advice: { explicitBucketBoundaries: [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5] },
});
const model = { "ml.model.name": "churn-js-metrics", "ml.model.version": "1" };

const churn = (logins, tickets) => 1 / (1 + Math.exp(0.4 * logins - 1.2 * tickets));

for (let batch = 0; batch < 20; batch++) {
  const start = performance.now();
  for (let i = 0; i < 100; i++) {
    score.record(churn(i % 8, i % 3), { ...model, "ml.model.task": "binary" });
    feature.record(i % 8, { ...model, "driftline.feature.name": "logins" });
  }
  predictions.add(100, model);
  rows.add(100, model);
  duration.record((performance.now() - start) / 1000, model);
}
await sdk.shutdown();
