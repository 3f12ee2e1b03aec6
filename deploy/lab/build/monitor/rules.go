package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// rules turns PrometheusRule objects into files of Prometheus, as its operator does: what promtool refuses is left out.
type rules struct {
	folder, promtool, prometheus string

	mu      sync.Mutex
	read    bool
	objects map[string]ruleObject // by file name
	stale   bool                  // Prometheus has not read the files as they are now
}

type ruleObject struct {
	namespace, name, content string
	refused                  string // why promtool refuses it; empty: it does not
}

func newRules(folder, promtool, prometheus string) (*rules, error) {
	// Of an earlier process nothing is known; the objects are all read again.
	if err := os.RemoveAll(folder); err != nil {
		return nil, err
	}
	return &rules{folder: folder, promtool: promtool, prometheus: prometheus, objects: map[string]ruleObject{}, stale: true}, os.MkdirAll(folder, 0o755)
}

func (r *rules) update(items []json.RawMessage) error {
	wanted := map[string]ruleObject{}
	for _, item := range items {
		file, object, err := ruleFile(item)
		if err != nil {
			return err
		}
		wanted[file] = object
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for file, object := range wanted {
		if r.objects[file].content == object.content {
			wanted[file] = r.objects[file]
			continue
		}
		if err := r.place(file, &object); err != nil {
			return err
		}
		wanted[file] = object
	}
	for file, object := range r.objects {
		if _, kept := wanted[file]; !kept {
			if err := os.Remove(filepath.Join(r.folder, file)); err != nil && !os.IsNotExist(err) {
				return err
			}
			r.stale = true
			log.Printf("rules: %s/%s is gone", object.namespace, object.name)
		}
	}
	r.objects, r.read = wanted, true
	return nil
}

// ruleFile is the file of an object: its groups, which as JSON are YAML too.
func ruleFile(item json.RawMessage) (string, ruleObject, error) {
	var rule struct {
		Metadata struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
			UID       string `json:"uid"`
		} `json:"metadata"`
		Spec struct {
			Groups []map[string]json.RawMessage `json:"groups"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(item, &rule); err != nil {
		return "", ruleObject{}, err
	}
	for _, group := range rule.Spec.Groups {
		// Only Thanos knows it; the operator leaves it out for Prometheus too.
		delete(group, "partial_response_strategy")
	}
	groups := rule.Spec.Groups
	if groups == nil {
		groups = []map[string]json.RawMessage{}
	}
	content, err := json.MarshalIndent(map[string]any{"groups": groups}, "", "  ")
	meta := rule.Metadata
	return fmt.Sprintf("%s-%s-%s.yaml", meta.Namespace, meta.Name, meta.UID), ruleObject{namespace: meta.Namespace, name: meta.Name, content: string(content)}, err
}

// place checks a file and puts it where Prometheus reads, or takes away the one that was there.
func (r *rules) place(file string, object *ruleObject) error {
	candidate, path := filepath.Join(filepath.Dir(r.folder), file+".candidate"), filepath.Join(r.folder, file)
	if err := os.WriteFile(candidate, []byte(object.content), 0o644); err != nil {
		return err
	}
	defer os.Remove(candidate)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	output, err := exec.CommandContext(ctx, r.promtool, "check", "rules", candidate).CombinedOutput()
	r.stale = true
	if _, answered := err.(*exec.ExitError); answered {
		object.refused = strings.TrimSpace(string(output))
		log.Printf("rules: %s/%s is refused: %s", object.namespace, object.name, object.refused)
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	log.Printf("rules: %s/%s is in place", object.namespace, object.name)
	return os.Rename(candidate, path)
}

// keepLoaded makes Prometheus read the files again after each change, until it says that it did.
func (r *rules) keepLoaded(ctx context.Context) {
	said := ""
	for ; ctx.Err() == nil; sleep(ctx, 250*time.Millisecond) {
		if !r.take() {
			continue
		}
		if err := r.reload(ctx); err != nil {
			r.mu.Lock()
			r.stale = true
			r.mu.Unlock()
			if err.Error() != said {
				said = err.Error()
				log.Printf("rules: Prometheus does not load them: %v", err)
			}
			sleep(ctx, time.Second)
			continue
		}
		said = ""
		log.Print("rules: Prometheus has loaded them")
	}
}

// take says whether there is something to load, and from then on counts what changes as new.
func (r *rules) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	stale := r.stale && r.read
	if stale {
		r.stale = false
	}
	return stale
}

func (r *rules) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.prometheus+"/-/reload", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	return nil
}

// known says whether the cluster was read at least once.
func (r *rules) known() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read
}

func (r *rules) expose(page *page) {
	r.mu.Lock()
	defer r.mu.Unlock()
	page.family("lab_rule_object_accepted", "gauge", "PrometheusRule objects: 1 when Prometheus is given its rules, 0 when promtool refuses them.")
	for _, file := range sortedKeys(r.objects) {
		object := r.objects[file]
		accepted := 1.0
		if object.refused != "" {
			accepted = 0
		}
		page.sample("lab_rule_object_accepted", []string{"namespace", object.namespace, "name", object.name}, accepted)
	}
}
