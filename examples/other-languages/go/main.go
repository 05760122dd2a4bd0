// Predictions and outcomes as log records of OpenTelemetry's SDK for Go.
package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

func churn(logins, tickets float64) float64 { return 1 / (1 + math.Exp(0.4*logins-1.2*tickets)) }

func emit(logger log.Logger, event string, attributes ...attribute.KeyValue) {
	var record log.Record
	record.SetEventName(event)
	record.SetTimestamp(time.Now())
	record.AddAttributes(append(attributes, attribute.String("ml.model.name", "churn-go"))...)
	logger.Emit(context.Background(), record)
}

func main() {
	ctx := context.Background()
	exporter, err := otlploghttp.New(ctx) // OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318
	if err != nil {
		panic(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)))
	defer provider.Shutdown(ctx) // sends what is left
	logger := provider.Logger("churn-service")
	for i := range 1000 {
		id, logins, tickets := fmt.Sprintf("go-%d", i), float64(i%8), float64(i%3)
		emit(logger, "ml.prediction",
			attribute.String("ml.model.version", "1"), attribute.String("ml.model.task", "binary"),
			attribute.String("ml.prediction.id", id), attribute.Float64("ml.prediction.score", churn(logins, tickets)),
			attribute.Float64("driftline.feature.value.logins", logins), attribute.Float64("driftline.feature.value.tickets", tickets))
		if i%2 == 0 { // often known days later, and in another process
			actual := "0"
			if i%3 == 2 {
				actual = "1"
			}
			emit(logger, "ml.outcome", attribute.String("ml.prediction.id", id), attribute.String("ml.outcome.actual", actual))
		}
	}
}
