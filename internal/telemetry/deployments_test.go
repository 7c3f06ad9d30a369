package telemetry

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"gopkg.in/yaml.v3"

	"facestream/pkg/schema"
)

const deployments = "../../deployments/"

// The dashboard and the alerts name only metrics and labels that the services have.
func TestDeploymentsUseMetricsThatExist(t *testing.T) {
	for file, expressions := range map[string]map[string]string{"dashboard.json": panels(t), "alerts.yaml": alerts(t)} {
		if len(expressions) < 10 {
			t.Fatalf("%s: %d expressions found; the test reads it wrongly", file, len(expressions))
		}
		for name, expr := range expressions {
			for _, problem := range unknownNames(metricLabels(), expr) {
				t.Errorf("%s, %s: %s", file, name, problem)
			}
		}
	}
	const wrong = `sum by (service, colour) (rate(facestream_results_total[5m])) / facestream_waiting{topic="a"} > rate(facestream_outcomes_total_sum[5m])`
	if got := unknownNames(metricLabels(), wrong); len(got) != 4 {
		t.Errorf("of four wrong names, these are seen: %q", got)
	}
}

// Every alert has a test of its rule and a section that says what to do.
func TestAlertsAreTestedAndExplained(t *testing.T) {
	var rules struct {
		Tests []struct {
			Cases []struct {
				Alert    string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	parse(t, "alerts_test.yaml", &rules)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range rules.Tests {
		for _, c := range test.Cases {
			if len(c.Expected) > 0 {
				fires[c.Alert] = true
			} else {
				silent[c.Alert] = true
			}
		}
	}
	manual := string(read(t, "../docs/operations.md"))
	for name := range alerts(t) {
		if !fires[name] || !silent[name] {
			t.Errorf("alerts_test.yaml lacks a case where %s fires, or one where it is silent", name)
		}
		if !strings.Contains(manual, "\n### "+name+"\n") {
			t.Errorf("docs/operations.md lacks the section %s", name)
		}
	}
}

// What the alert and the dashboard do not count as a rejection is what has no error code, and nothing else.
func TestRejectionsAreReasonsWithAnErrorCode(t *testing.T) {
	want := []string{"none"}
	for _, r := range schema.Reasons() {
		if r.Code == schema.CodeNoError {
			want = append(want, string(r.Reason))
		}
	}
	slices.Sort(want)
	for name, expr := range map[string]string{"alert": alerts(t)["FacestreamRejections"], "panel": panels(t)["Rejected"]} {
		found := regexp.MustCompile(`reason!~"([^"]*)"`).FindStringSubmatch(expr)
		if found == nil {
			t.Fatalf("the %s has no reason!~: %s", name, expr)
		}
		got := strings.Split(found[1], "|")
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the %s leaves out %q, want %q", name, got, want)
		}
	}
}

// panels are the dashboard's expressions by the panels' titles.
func panels(t *testing.T) map[string]string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "helm/facestream/files/dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			out[p.Title] += target.Expr + "\n"
		}
	}
	return out
}

// alerts are the alerts' expressions by their names.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	parse(t, "helm/facestream/files/alerts.yaml", &rules)
	out := map[string]string{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			out[r.Alert] = r.Expr
		}
	}
	return out
}

func parse(t *testing.T, file string, into any) {
	t.Helper()
	if err := yaml.Unmarshal(read(t, file), into); err != nil {
		t.Fatal(file, err)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(deployments + file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// metricLabels are the names that a scrape shows, with their labels.
func metricLabels() map[string][]string {
	descriptors := make(chan *prometheus.Desc)
	go func() {
		NewMetrics().registry.Describe(descriptors)
		close(descriptors)
	}()
	form := regexp.MustCompile(`fqName: "([^"]*)".*variableLabels: \{([^}]*)\}`)
	out := map[string][]string{}
	for d := range descriptors {
		part := form.FindStringSubmatch(d.String())
		name, labels := part[1], strings.Split(part[2], ",")
		out[name] = labels
		if strings.HasPrefix(name, "facestream_") && strings.HasSuffix(name, "_seconds") { // a histogram
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				out[name+suffix] = append(slices.Clone(labels), "le")
			}
			delete(out, name)
		}
	}
	return out
}

var (
	metricName = regexp.MustCompile(`\b(?:facestream|process|go)_\w+(\{[^}]*\})?`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	matcher    = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
)

// unknownNames says which metrics and labels of expr do not exist. A label to group by must be one of some metric.
func unknownNames(known map[string][]string, expr string) []string {
	added := []string{"job", "instance", ""} // by Prometheus
	var problems []string
	var all []string
	for _, labels := range known {
		all = append(all, labels...)
	}
	for _, found := range metricName.FindAllStringSubmatch(expr, -1) {
		name := strings.TrimSuffix(found[0], found[1])
		labels, ok := known[name]
		if !ok {
			problems = append(problems, "no metric "+name)
			continue
		}
		for _, m := range matcher.FindAllStringSubmatch(found[1], -1) {
			if !slices.Contains(append(added, labels...), m[1]) {
				problems = append(problems, name+" has no label "+m[1])
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for _, label := range strings.Split(g[1], ",") {
			if label = strings.TrimSpace(label); !slices.Contains(append(added, all...), label) {
				problems = append(problems, "no metric has the label "+label)
			}
		}
	}
	return problems
}
