package metrics_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	client "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"
)

// named matches the metrics of an expression.
var named = regexp.MustCompile(`\bretinue_[a-z0-9_]+`)

// wantCollected compares the metrics of an expression with what is collected.
// The series of a histogram are its buckets, its sum and its count; every
// other name is a series itself.
func wantCollected(t *testing.T, found map[string]*client.MetricFamily, where, expression string) {
	t.Helper()
	names := named.FindAllString(expression, -1)
	if len(names) == 0 {
		t.Errorf("%s: %q names no metric", where, expression)
	}
	for _, name := range names {
		histogram := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			histogram = strings.TrimSuffix(histogram, suffix)
		}
		switch f := found[histogram]; {
		case f == nil:
			t.Errorf("%s: %s is not collected", where, name)
		case (f.GetType() == client.MetricType_HISTOGRAM) != (histogram != name):
			t.Errorf("%s: %s of a %v", where, name, f.GetType())
		}
	}
}

func TestTheDashboardShowsMetricsThatThereAre(t *testing.T) {
	found := gather(t, registry(t, openBus(t, t.TempDir(), nil)))
	text, err := os.ReadFile("../docs/metrics/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	ids := make(map[int]bool)
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" || (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %d %q: a second one, or without a title or targets", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			wantCollected(t, found, p.Title, target.Expr)
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Definition != "" {
			wantCollected(t, found, "variable "+v.Name, v.Definition)
		}
	}
	if len(ids) < 10 {
		t.Errorf("%d panels", len(ids))
	}
}

func TestTheAlertsWatchMetricsThatThereAre(t *testing.T) {
	found := gather(t, registry(t, openBus(t, t.TempDir(), nil)))
	text, err := os.ReadFile("../docs/metrics/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	alerts := make(map[string]bool)
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			alerts[r.Alert] = true
			wantCollected(t, found, r.Alert, r.Expr)
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s lacks its severity, summary or description", r.Alert)
			}
		}
	}
	documented := regexp.MustCompile("(?m)^\\| `(Retinue[A-Za-z]+)` \\|").FindAllStringSubmatch(string(page), -1)
	for _, d := range documented {
		if !alerts[d[1]] {
			t.Errorf("docs/metrics.md: there is no alert %s", d[1])
		}
		delete(alerts, d[1])
	}
	for name := range alerts {
		t.Errorf("docs/metrics.md does not say what to do about %s", name)
	}
}
