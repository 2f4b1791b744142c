package telemetry

import (
	"context"
	"os"
	"strings"

	"go.opentelemetry.io/contrib/exporters/autoexport"
)

// Open traces as the OTEL_* variables of the process's environment ask: only if they name an exporter or an OTLP endpoint,
// and the SDK is not disabled. Otherwise nothing is made and nothing is traced. What is malformed is told to cfg.Warn, and
// at worst nothing is traced. It connects to nothing; Close must be called.
func Open(ctx context.Context, cfg Config) *Tracing {
	if !asked() {
		return off()
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		cfg.Warn("nothing is traced, since OTEL_TRACES_EXPORTER or an OTEL_EXPORTER_OTLP_… variable is not right", err)
		return off()
	}
	if autoexport.IsNoneSpanExporter(exporter) {
		return off()
	}
	return New(ctx, cfg, exporter)
}

// asked is stricter than the SDK, which without any variable sends to localhost.
func asked() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	for _, name := range []string{
		"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
	} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return false
}
