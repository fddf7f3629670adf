package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

// A rule of the Prometheus adapter's, as far as it is used here: an unknown field is an error.
type rule struct {
	SeriesQuery string    `json:"seriesQuery"`
	Resources   resources `json:"resources"`
	Name        naming    `json:"name"`
	Query       string    `json:"metricsQuery"`

	matches *regexp.Regexp
	query   *template.Template
}

type resources struct {
	// The resource that each label names.
	Overrides map[string]struct {
		Resource string `json:"resource"`
	} `json:"overrides"`
}

type naming struct {
	Matches string `json:"matches"`
	As      string `json:"as"`
}

func readRules(path string) ([]rule, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Rules []rule `json:"rules"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for at := range file.Rules {
		if err := file.Rules[at].compile(); err != nil {
			return nil, fmt.Errorf("%s: rule %d: %w", path, at, err)
		}
	}
	return file.Rules, nil
}

func (r *rule) compile() (err error) {
	if r.matches, err = regexp.Compile(r.Name.Matches); err != nil {
		return err
	}
	r.query, err = template.New("query").Delims("<<", ">>").Option("missingkey=error").Parse(r.Query)
	return err
}

// The metric's name for a series, or none.
func (r *rule) metricOf(series string) string {
	found := r.matches.FindStringSubmatchIndex(series)
	if found == nil {
		return ""
	}
	return string(r.matches.ExpandString(nil, r.Name.As, series, found))
}

// The label that names this resource, or none.
func (r *rule) labelOf(resource string) string {
	for label, of := range r.Resources.Overrides {
		// The rule says `pod`, the API `pods`.
		if of.Resource == resource || of.Resource+"s" == resource {
			return label
		}
	}
	return ""
}

// The query for these objects of a namespace, and the label by which its results are told apart.
func (r *rule) ask(series, resource, namespace string, names []string) (query, label string, err error) {
	label, of := r.labelOf(resource), r.labelOf("namespaces")
	if label == "" || of == "" {
		return "", "", fmt.Errorf("the rule names no label of %s, or none of the namespace", resource)
	}
	quoted := make([]string, len(names))
	for at, name := range names {
		quoted[at] = regexp.QuoteMeta(name)
	}
	matchers := fmt.Sprintf("%s=%q,%s=~%q", of, namespace, label, strings.Join(quoted, "|"))
	var text bytes.Buffer
	err = r.query.Execute(&text, map[string]string{"Series": series, "LabelMatchers": matchers, "GroupBy": label})
	return text.String(), label, err
}
