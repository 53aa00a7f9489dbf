package dashboard

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	rulesFile     = filepath.Join("..", "packaging", "prometheus-rules.yml")
	rulesTestFile = filepath.Join("..", "packaging", "prometheus-rules-test.yml")
	grafanaFile   = filepath.Join("..", "packaging", "grafana-dashboard.json")
)

// TestAlertRules: promtool finds nothing wrong with the alerts, and they fire when they
// should.
func TestAlertRules(t *testing.T) {
	promtool(t, nil, "check", "rules", rulesFile)
	promtool(t, nil, "test", "rules", rulesTestFile)
}

// TestGrafana: each panel of the dashboard for Grafana asks for something that promtool
// can parse.
func TestGrafana(t *testing.T) {
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, grafanaFile)), &d); err != nil {
		t.Fatal(err)
	}
	var rules strings.Builder
	rules.WriteString("groups: [{name: grafana, rules: [\n")
	for _, p := range d.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			expr, err := json.Marshal(strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
			if err != nil {
				t.Fatal(err)
			}
			rules.WriteString(`{record: "grafana", expr: ` + string(expr) + ", labels: {n: " + string(expr) + "}},\n")
		}
	}
	rules.WriteString("]}]\n")
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, nil, "check", "rules", file)
}

// TestNamesExist: the alerts and Grafana's dashboard ask for metrics that there are.
func TestNamesExist(t *testing.T) {
	h := serve(t, nil)
	for _, e := range happenings(time.Now()) {
		h.feed(e)
	}
	_, metrics := h.get("/metrics")
	names := regexp.MustCompile(`holdfast_[a-z_]+`)
	for _, file := range []string{rulesFile, rulesTestFile, grafanaFile} {
		found := names.FindAllString(readFile(t, file), -1)
		if len(found) < 10 {
			t.Errorf("%s names %d metrics: the test sees nothing", file, len(found))
		}
		for _, name := range found {
			if !strings.Contains(metrics, "\n"+name+" ") && !strings.Contains(metrics, "\n"+name+"{") {
				t.Errorf("%s: there is no %s", file, name)
			}
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
