package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const object = `{"metadata":{"name":"trino-alerts","namespace":"monitoring","uid":"u1"},"spec":{"groups":[{"name":"g","partial_response_strategy":"warn","rules":[{"alert":"A","expr":"up == 0"}]}]}}`

func TestAnObjectBecomesAFileOfItsGroups(t *testing.T) {
	file, rule, err := ruleFile(json.RawMessage(object))
	if err != nil || file != "monitoring-trino-alerts-u1.yaml" {
		t.Fatal(file, err)
	}
	if !strings.Contains(rule.content, `"expr": "up == 0"`) || strings.Contains(rule.content, "partial_response") {
		t.Error(rule.content)
	}
}

// A tool that refuses files with REFUSE in them stands for promtool.
func TestWhatIsRefusedIsLeftOutAndWhatIsGoneIsTakenAway(t *testing.T) {
	folder := t.TempDir()
	tool := filepath.Join(folder, "tool")
	script := "#!/bin/sh\nif grep -q REFUSE \"$3\"; then echo bad expression; exit 1; fi\n"
	if err := os.WriteFile(tool, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	reloads := 0
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodPost && request.URL.Path == "/-/reload" {
			reloads++
		}
	}))
	defer server.Close()
	r, err := newRules(filepath.Join(folder, "rules"), tool, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.NewReplacer(`"u1"`, `"u2"`, "up == 0", "REFUSE").Replace(object)
	for range 2 {
		if err := r.update([]json.RawMessage{json.RawMessage(object), json.RawMessage(bad)}); err != nil {
			t.Fatal(err)
		}
		if names := files(t, r.folder); len(names) != 1 || names[0] != "monitoring-trino-alerts-u1.yaml" {
			t.Error(names)
		}
	}
	if r.objects["monitoring-trino-alerts-u2.yaml"].refused != "bad expression" {
		t.Error(r.objects)
	}
	if !r.take() || r.take() {
		t.Error("one change is to be loaded once")
	}
	if err := r.reload(t.Context()); err != nil || reloads != 1 {
		t.Error(err, reloads)
	}
	if err := r.update(nil); err != nil || len(files(t, r.folder)) != 0 || !r.take() {
		t.Error(err, files(t, r.folder))
	}
}

func TestAPodIsScrapedWhereItsMetricsAre(t *testing.T) {
	text := `{"metadata":{"name":"w","namespace":"n","labels":{"app.kubernetes.io/component":"worker"}},"spec":{"containers":[{"ports":[{"name":"http","containerPort":8080}]}]},"status":{"phase":"Running","podIP":"10.0.0.9"}}`
	for text, want := range map[string]string{
		text: "10.0.0.9:8080",
		strings.Replace(text, `"ports":[`, `"ports":[{"name":"jmx-exporter","containerPort":5556},`, 1): "10.0.0.9:5556",
		strings.Replace(text, "Running", "Pending", 1):                                                  "",
	} {
		var pod pod
		if err := json.Unmarshal([]byte(text), &pod); err != nil {
			t.Fatal(err)
		}
		target, ok := pod.target()
		if ok != (want != "") || ok && (target.Targets[0] != want || target.Labels["job"] != "trino-worker") {
			t.Errorf("%+v, want %q", target, want)
		}
	}
}

func TestNotificationsSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.jsonl")
	for range 2 {
		r, err := newReceiver(path)
		if err != nil {
			t.Fatal(err)
		}
		r.receive(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"status":"firing"}`)))
		refused := httptest.NewRecorder()
		r.receive(refused, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("nonsense")))
		if refused.Code != http.StatusBadRequest {
			t.Error(refused.Code)
		}
	}
	r, err := newReceiver(path)
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{"": 2, "?since=2100-01-01T00:00:00Z": 0} {
		answer, got := httptest.NewRecorder(), []record{}
		r.serve(answer, httptest.NewRequest(http.MethodGet, "/"+query, nil))
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || len(got) != want {
			t.Errorf("%q: %s", query, answer.Body)
		}
	}
}

func files(t *testing.T, folder string) []string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
