package main

import (
	"encoding/json"
	"fmt"
	"log"
	"sync"
)

// targets keeps the file by which Prometheus finds Trino's pods.
type targets struct {
	file string

	mu    sync.Mutex
	last  string
	found []target
}

// target is one entry of a file of targets.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

type pod struct {
	Metadata struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Containers []struct {
			Ports []struct {
				Name          string `json:"name"`
				ContainerPort int    `json:"containerPort"`
			} `json:"ports"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
		PodIP string `json:"podIP"`
	} `json:"status"`
}

func (t *targets) update(items []json.RawMessage) error {
	found := []target{}
	for _, item := range items {
		var pod pod
		if err := json.Unmarshal(item, &pod); err != nil {
			return err
		}
		if target, ok := pod.target(); ok {
			found = append(found, target)
		}
	}
	content, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if string(content) == t.last {
		return nil
	}
	if err := replace(t.file, content); err != nil {
		return err
	}
	t.last, t.found = string(content), found
	log.Printf("targets: %d pods of Trino", len(found))
	return nil
}

// target is what Prometheus is told of a pod: the exporter's port where the pod has one, else Trino's own metrics. The job's name is the
// one that the workflow's rules use; a pod that is going away stays a target until it is gone, as with Kubernetes discovery.
func (p *pod) target() (target, bool) {
	component := p.Metadata.Labels["app.kubernetes.io/component"]
	port := p.port("jmx-exporter")
	if port == 0 {
		port = p.port("http")
	}
	if p.Status.Phase != "Running" || p.Status.PodIP == "" || component == "" || port == 0 {
		return target{}, false
	}
	return target{
		Targets: []string{fmt.Sprintf("%s:%d", p.Status.PodIP, port)},
		Labels: map[string]string{
			"job": "trino-" + component, "component": component, "namespace": p.Metadata.Namespace, "pod": p.Metadata.Name,
		},
	}, true
}

func (p *pod) port(name string) int {
	for _, container := range p.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == name {
				return port.ContainerPort
			}
		}
	}
	return 0
}

// known says whether the cluster was read at least once.
func (t *targets) known() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last != ""
}

func (t *targets) expose(page *page) {
	t.mu.Lock()
	defer t.mu.Unlock()
	page.family("lab_targets", "gauge", "Pods that Prometheus is told to scrape.")
	page.sample("lab_targets", nil, float64(len(t.found)))
}
