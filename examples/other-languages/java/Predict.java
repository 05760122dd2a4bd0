// Predictions as spans, their number and duration as metrics, outcomes as log records: OpenTelemetry's SDK for Java.
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;

public class Predict {
  static double churn(double logins, double tickets) {
    return 1 / (1 + Math.exp(0.4 * logins - 1.2 * tickets));
  }

  public static void main(String[] arguments) {
    var configured = AutoConfiguredOpenTelemetrySdk.builder().disableShutdownHook().build();
    var sdk = configured.getOpenTelemetrySdk(); // it reads the variables of the README
    var tracer = sdk.getTracer("churn-service");
    var meter = sdk.getMeter("churn-service");
    var logger = sdk.getLogsBridge().get("churn-service");
    var predictions = meter.counterBuilder("ml.predictions").setUnit("{prediction}").build();
    var duration = meter.histogramBuilder("ml.predict.duration").setUnit("s").build();
    var name = AttributeKey.stringKey("ml.model.name");
    var model = Attributes.of(name, "churn-java", AttributeKey.stringKey("ml.model.version"), "1");

    for (int i = 0; i < 1000; i++) {
      long start = System.nanoTime();
      double logins = i % 8, tickets = i % 3;
      var span = tracer.spanBuilder("predict churn-java").setAllAttributes(model)
          .setAttribute("ml.operation.name", "predict").setAttribute("ml.model.task", "binary").startSpan();
      span.setAttribute("ml.prediction.id", "java-" + i);
      span.setAttribute("ml.prediction.score", churn(logins, tickets));
      span.setAttribute("driftline.feature.value.logins", logins);
      span.setAttribute("driftline.feature.value.tickets", tickets);
      span.end();
      predictions.add(1, model);
      duration.record((System.nanoTime() - start) / 1e9, model);
      if (i % 2 == 0) { // often known days later, and in another process
        logger.logRecordBuilder().setEventName("ml.outcome").setAttribute(name, "churn-java")
            .setAttribute(AttributeKey.stringKey("ml.prediction.id"), "java-" + i)
            .setAttribute(AttributeKey.stringKey("ml.outcome.actual"), i % 3 == 2 ? "1" : "0").emit();
      }
    }
    sdk.close(); // sends what is left
  }
}
