package telemetry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/pawldata/pawl/internal/adapters/telemetry"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// An otlpServer is a collector that receives spans over HTTP and counts them.
type otlpServer struct {
	url string

	mu       sync.Mutex
	paths    []string          // the paths of the requests
	spans    int               // the number of spans in all requests
	resource map[string]string // the resource's attributes in the latest request
}

func newOTLPServer(t *testing.T) *otlpServer {
	t.Helper()
	s := &otlpServer{}
	server := httptest.NewServer(http.HandlerFunc(s.receive))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *otlpServer) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent collectorpb.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &sent) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths = append(s.paths, r.URL.Path)
	for _, group := range sent.GetResourceSpans() {
		s.resource = resourceAttributes(group.GetResource())
		for _, scope := range group.GetScopeSpans() {
			s.spans += len(scope.GetSpans())
		}
	}
}

func resourceAttributes(r *resourcepb.Resource) map[string]string {
	attributes := map[string]string{}
	for _, a := range r.GetAttributes() {
		attributes[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return attributes
}

// TestOpen_Environment checks which variables turn traces on, and that the ledger has a trace id only if the trace was sent.
func TestOpen_Environment(t *testing.T) {
	const pages, recordsInPage = 2, 2
	const allSpans = 1 + pages*3 // one span for the run, and three for each page: the page itself, a request and a commit
	tests := []struct {
		name     string
		env      map[string]string // the test replaces "URL" by the URL of the collector
		spans    int               // the wanted number of spans that the collector receives
		traceIDs int               // the wanted number of trace ids in the ledger
		resource map[string]string // some wanted attributes of the resource
		warning  string            // a wanted part of the warnings; empty: no warning
	}{
		{name: "no variable"},
		{
			name: "an endpoint", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "URL"}, spans: allSpans, traceIDs: pages,
			resource: map[string]string{"service.name": "pawl", "service.version": "v1.2.3", "telemetry.sdk.language": "go"},
		},
		{
			name: "an endpoint for traces", spans: allSpans, traceIDs: pages,
			env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "URL/v1/traces"},
		},
		{
			name: "an endpoint and the SDK disabled",
			env:  map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_SDK_DISABLED": "TRUE"},
		},
		{
			name: "an endpoint and the exporter none",
			env:  map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_TRACES_EXPORTER": "none"},
		},
		{
			name: "an endpoint and the sampler always_off",
			env:  map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_TRACES_SAMPLER": "always_off"},
		},
		{
			name: "another service name and another attribute",
			env: map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_SERVICE_NAME": "ours", "OTEL_RESOURCE_ATTRIBUTES": "team=data",
			},
			spans: allSpans, traceIDs: pages, resource: map[string]string{"service.name": "ours", "team": "data"},
		},
		{
			name: "an unknown exporter", warning: "OTEL_TRACES_EXPORTER",
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_TRACES_EXPORTER": "nonsense"},
		},
		{
			name: "an unknown protocol", warning: "OTEL_EXPORTER_OTLP_",
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_EXPORTER_OTLP_PROTOCOL": "nonsense"},
		},
		{
			name: "malformed attributes", warning: "OTEL_RESOURCE_ATTRIBUTES", spans: allSpans, traceIDs: pages,
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_RESOURCE_ATTRIBUTES": "team"},
		},
		{
			name: "a malformed header", warning: "malformed", spans: allSpans, traceIDs: pages,
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_EXPORTER_OTLP_HEADERS": "secret"},
		},
		{
			name: "an unknown sampler", warning: "unsupported sampler", spans: allSpans, traceIDs: pages,
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_TRACES_SAMPLER": "nonsense"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clearOTEL(t)
			server := newOTLPServer(t)
			for name, value := range tt.env {
				t.Setenv(name, strings.ReplaceAll(value, "URL", server.url))
			}
			run := newTestRun(domaintest.NewCleanStream(pages*recordsInPage, recordsInPage))
			telemetry.ReportSDKErrors(run.warnings.add)
			sum, err := run.execute(t.Context(), telemetry.Open(t.Context(), run.config()))
			if err != nil || sum.Inserted != pages*recordsInPage {
				t.Fatalf("got summary %+v, error %v, want %d events inserted", sum, err, pages*recordsInPage)
			}
			ids := slices.DeleteFunc(run.traceIDs(), func(id string) bool { return id == "" })
			if len(ids) != tt.traceIDs || server.spans != tt.spans {
				t.Errorf("got %d spans and %d trace ids in the ledger, want %d and %d", server.spans, len(ids), tt.spans, tt.traceIDs)
			}
			for key, want := range tt.resource {
				if got := server.resource[key]; got != want {
					t.Errorf("resource attribute %s: got %q, want %q", key, got, want)
				}
			}
			if tt.spans > 0 && !slices.Contains(server.paths, "/v1/traces") {
				t.Errorf("got requests to %v, want /v1/traces", server.paths)
			}
			warnings := strings.Join(run.warnings.all(), "\n")
			if tt.warning == "" && warnings != "" {
				t.Errorf("got warnings %q, want none", warnings)
			}
			if tt.warning != "" && !strings.Contains(warnings, tt.warning) {
				t.Errorf("got warnings %q, want %q", warnings, tt.warning)
			}
			if strings.Contains(warnings, "secret") {
				t.Errorf("got warnings %q, want them without the secret header", warnings)
			}
		})
	}
}

// clearOTEL sets the OTEL_* variables of the tests' own environment to the empty string, which means that they are not set.
func clearOTEL(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
}
