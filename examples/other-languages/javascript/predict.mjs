// Predictions as spans, their number and duration as metrics, outcomes as log records: OpenTelemetry's SDK for Node.js.
import { metrics, trace } from "@opentelemetry/api";
import { logs } from "@opentelemetry/api-logs";
import { NodeSDK } from "@opentelemetry/sdk-node";

const sdk = new NodeSDK(); // it reads the variables of the README
sdk.start();
const tracer = trace.getTracer("churn-service");
const meter = metrics.getMeter("churn-service");
const predictions = meter.createCounter("ml.predictions", { unit: "{prediction}" });
const duration = meter.createHistogram("ml.predict.duration", { unit: "s" });
const model = { "ml.model.name": "churn-js", "ml.model.version": "1" };

const churn = (logins, tickets) => 1 / (1 + Math.exp(0.4 * logins - 1.2 * tickets));

for (let i = 0; i < 1000; i++) {
  const [logins, tickets, start] = [i % 8, i % 3, performance.now()];
  const operation = { ...model, "ml.operation.name": "predict", "ml.model.task": "binary" };
  const span = tracer.startSpan("predict churn-js", { attributes: operation });
  span.setAttributes({
    "ml.prediction.id": `js-${i}`,
    "ml.prediction.score": churn(logins, tickets),
    "driftline.feature.value.logins": logins,
    "driftline.feature.value.tickets": tickets,
  });
  span.end();
  predictions.add(1, model);
  duration.record((performance.now() - start) / 1000, model);
  if (i % 2 === 0) {
    const attributes = { ...model, "ml.prediction.id": `js-${i}`, "ml.outcome.actual": i % 3 === 2 ? "1" : "0" };
    logs.getLogger("churn-service").emit({ eventName: "ml.outcome", attributes });
  }
}
await sdk.shutdown(); // sends what is left
