package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// How many notifications are served back, and how large one may be.
const (
	remembered   = 2000
	notification = 1 << 20
)

// receiver is the end of the way of an alert: a webhook that writes down what Alertmanager sends, one JSON line each, and serves it back.
type receiver struct {
	mu       sync.Mutex
	file     *os.File
	received []record
	total    map[string]int // by status
}

// record is a notification with the moment at which it came.
type record struct {
	ReceivedAt   time.Time       `json:"receivedAt"`
	Notification json.RawMessage `json:"notification"`
}

func newReceiver(path string) (*receiver, error) {
	r := &receiver{total: map[string]int{}}
	if old, err := os.Open(path); err == nil {
		lines := bufio.NewScanner(old)
		lines.Buffer(nil, 2*notification)
		for lines.Scan() {
			var record record
			// The last line may have been cut by a kill.
			if json.Unmarshal(lines.Bytes(), &record) == nil {
				r.remember(record)
			}
		}
		old.Close()
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	r.file = file
	return r, err
}

func (r *receiver) receive(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, notification))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if !json.Valid(body) {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	record := record{ReceivedAt: time.Now().UTC(), Notification: body}
	line, err := json.Marshal(record)
	if err == nil {
		_, err = r.file.Write(append(line, '\n'))
	}
	if err != nil {
		// Alertmanager tries again.
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r.remember(record)
}

func (r *receiver) remember(record record) {
	var sent struct {
		Status string `json:"status"`
	}
	_ = json.Unmarshal(record.Notification, &sent)
	r.total[sent.Status]++
	r.received = append(r.received, record)
	if len(r.received) > remembered {
		r.received = append(r.received[:0], r.received[len(r.received)-remembered:]...)
	}
}

// serve answers with an array, oldest first; ?since=TIME leaves out what came before.
func (r *receiver) serve(w http.ResponseWriter, request *http.Request) {
	since := time.Time{}
	if text := request.URL.Query().Get("since"); text != "" {
		parsed, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		since = parsed
	}
	r.mu.Lock()
	answer := []record{}
	for _, record := range r.received {
		if !record.ReceivedAt.Before(since) {
			answer = append(answer, record)
		}
	}
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (r *receiver) expose(page *page) {
	r.mu.Lock()
	defer r.mu.Unlock()
	page.family("lab_notifications_total", "counter", "Notifications that Alertmanager sent to the receiver.")
	for _, status := range sortedKeys(r.total) {
		page.sample("lab_notifications_total", []string{"status", status}, float64(r.total[status]))
	}
}
