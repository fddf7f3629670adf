package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/klog/v2"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider/helpers"
)

// Longest wait for Prometheus.
const answer = 5 * time.Second

// The metrics that the rules make of what Prometheus has.
type metrics struct {
	rules      []rule
	prometheus string
	client     dynamic.Interface
	mapper     apimeta.RESTMapper
}

// What Prometheus answers to a query of the present moment, and to one for series.
type sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

func (m *metrics) get(ctx context.Context, path string, query url.Values, data any) error {
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.prometheus+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		return err
	}
	if body.Status != "success" {
		return fmt.Errorf("prometheus: %s", body.Error)
	}
	return nil
}

// The rule of a metric, and the series that it is made of.
func (m *metrics) rule(ctx context.Context, metric string) (*rule, string, error) {
	for at := range m.rules {
		var series []map[string]string
		query := url.Values{"match[]": {m.rules[at].SeriesQuery}, "start": {strconv.FormatInt(time.Now().Add(-5*time.Minute).Unix(), 10)}}
		if err := m.get(ctx, "/api/v1/series", query, &series); err != nil {
			return nil, "", err
		}
		for _, each := range series {
			if name := each["__name__"]; m.rules[at].metricOf(name) == metric {
				return &m.rules[at], name, nil
			}
		}
	}
	return nil, "", nil
}

func (m *metrics) values(ctx context.Context, namespace string, names []string, info provider.CustomMetricInfo) ([]custom_metrics.MetricValue, error) {
	rule, series, err := m.rule(ctx, info.Metric)
	if err != nil {
		return nil, err
	}
	if rule == nil {
		return nil, provider.NewMetricNotFoundError(info.GroupResource, info.Metric)
	}
	query, label, err := rule.ask(series, info.GroupResource.Resource, namespace, names)
	if err != nil {
		return nil, err
	}
	var data struct{ Result []sample }
	if err := m.get(ctx, "/api/v1/query", url.Values{"query": {query}}, &data); err != nil {
		return nil, err
	}
	found := make([]custom_metrics.MetricValue, 0, len(data.Result))
	for _, each := range data.Result {
		value, err := m.value(types.NamespacedName{Namespace: namespace, Name: each.Metric[label]}, info, each)
		if err != nil {
			return nil, err
		}
		found = append(found, value)
	}
	klog.InfoS("asked", "query", query, "objects", len(names), "values", len(found))
	return found, nil
}

func (m *metrics) value(name types.NamespacedName, info provider.CustomMetricInfo, of sample) (custom_metrics.MetricValue, error) {
	var none custom_metrics.MetricValue
	reference, err := helpers.ReferenceFor(m.mapper, name, info)
	if err != nil {
		return none, err
	}
	text, isText := of.Value[1].(string)
	at, isTime := of.Value[0].(float64)
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || !isText || !isTime {
		return none, fmt.Errorf("prometheus: a sample of %v", of.Value)
	}
	return custom_metrics.MetricValue{
		DescribedObject: reference,
		Metric:          custom_metrics.MetricIdentifier{Name: info.Metric},
		Timestamp:       metav1.NewTime(time.UnixMilli(int64(at * 1000))),
		Value:           *resource.NewMilliQuantity(int64(number*1000), resource.DecimalSI),
	}, nil
}

func (m *metrics) GetMetricByName(ctx context.Context, name types.NamespacedName, info provider.CustomMetricInfo, _ labels.Selector) (*custom_metrics.MetricValue, error) {
	found, err := m.values(ctx, name.Namespace, []string{name.Name}, info)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, provider.NewMetricNotFoundForError(info.GroupResource, info.Metric, name.Name)
	}
	return &found[0], nil
}

func (m *metrics) GetMetricBySelector(ctx context.Context, namespace string, selector labels.Selector, info provider.CustomMetricInfo, _ labels.Selector) (*custom_metrics.MetricValueList, error) {
	names, err := helpers.ListObjectNames(m.mapper, m.client, namespace, selector, info)
	if err != nil {
		return nil, err
	}
	found, err := m.values(ctx, namespace, names, info)
	if err != nil {
		return nil, err
	}
	return &custom_metrics.MetricValueList{Items: found}, nil
}

func (m *metrics) ListAllMetrics() []provider.CustomMetricInfo {
	all := make([]provider.CustomMetricInfo, 0, len(m.rules))
	for at := range m.rules {
		all = append(all, provider.CustomMetricInfo{
			GroupResource: schema.GroupResource{Resource: "pods"}, Namespaced: true, Metric: m.rules[at].Name.As,
		})
	}
	return all
}
