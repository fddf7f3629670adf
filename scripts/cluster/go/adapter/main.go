// The custom metrics API for a test cluster: what the Prometheus adapter, which cannot be had here, does with the one kind of rule in
// deploy/k8s/components/hpa-sessions/prometheus-adapter.yaml.
package main

import (
	"context"
	"os"

	"k8s.io/component-base/logs"
	"k8s.io/klog/v2"
	basecmd "sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"
)

func main() {
	logs.InitLogs()
	defer logs.FlushLogs()
	if err := run(); err != nil {
		klog.ErrorS(err, "the adapter ends")
		os.Exit(1)
	}
}

func run() error {
	adapter := &basecmd.AdapterBase{Name: "adapter"}
	rulesFile := adapter.Flags().String("rules", "", "the Prometheus adapter's rules")
	prometheus := adapter.Flags().String("prometheus", "", "the address of Prometheus")
	if err := adapter.Flags().Parse(os.Args[1:]); err != nil {
		return err
	}
	rules, err := readRules(*rulesFile)
	if err != nil {
		return err
	}
	client, err := adapter.DynamicClient()
	if err != nil {
		return err
	}
	mapper, err := adapter.RESTMapper()
	if err != nil {
		return err
	}
	adapter.WithCustomMetrics(&metrics{rules: rules, prometheus: *prometheus, client: client, mapper: mapper})
	return adapter.Run(context.Background())
}
