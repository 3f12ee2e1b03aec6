// The lab's monitor: what stands between Kubernetes, Prometheus, Alertmanager and the object gateway where the real operators and
// exporters cannot be had.
//
//   - Trino's pods become targets of Prometheus (Debian's build has no Kubernetes discovery): targets.go
//   - PrometheusRule objects become its rule files: rules.go
//   - what Alertmanager sends is written down and served back: receiver.go
//   - the gateway's access log becomes metrics: gateway.go, access_line.go
//
// It writes nothing to the cluster. Settings come from the environment; launch/monitor.sh has them.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	data := setting("MONITOR_DATA")
	cluster, err := newCluster(setting("MONITOR_API"), setting("MONITOR_CA"), setting("MONITOR_CERTIFICATE"), setting("MONITOR_KEY"))
	if err != nil {
		return err
	}
	targets := &targets{file: filepath.Join(data, "targets", "trino.json")}
	rules, err := newRules(filepath.Join(data, "rules"), setting("MONITOR_PROMTOOL"), setting("MONITOR_PROMETHEUS"))
	if err != nil {
		return err
	}
	receiver, err := newReceiver(filepath.Join(data, "notifications.jsonl"))
	if err != nil {
		return err
	}
	gateway := newGateway(setting("MONITOR_GATEWAY_LOG"), setting("MONITOR_GATEWAY_SOCKET"))

	go cluster.follow(ctx, "/api/v1/namespaces/"+setting("MONITOR_NAMESPACE")+"/pods", "app.kubernetes.io/name=trino", targets.update)
	go cluster.follow(ctx, "/apis/monitoring.coreos.com/v1/prometheusrules", "", rules.update)
	go rules.keepLoaded(ctx)
	go gateway.follow(ctx)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /notifications", receiver.receive)
	mux.HandleFunc("GET /notifications", receiver.serve)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		page := &page{}
		targets.expose(page)
		rules.expose(page)
		receiver.expose(page)
		gateway.expose(page)
		page.writeTo(w)
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if !targets.known() || !rules.known() {
			http.Error(w, "the cluster has not been read yet", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: setting("MONITOR_LISTEN"), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	log.Printf("listening on %s", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// setting reads a variable that must be there.
func setting(name string) string {
	value := os.Getenv(name)
	if value == "" {
		log.Fatalf("%s is not set", name)
	}
	return value
}

// replace writes a file from one moment to the next, so that no reader sees half of it.
func replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
