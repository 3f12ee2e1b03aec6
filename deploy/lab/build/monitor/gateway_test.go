package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOperationsAreToldApart(t *testing.T) {
	for request, want := range map[string][2]string{
		"POST /b/k.csv?select&select-type=2": {"select", "b"},
		"POST /b/?delete":                    {"delete", "b"},
		"POST /b/k?uploads":                  {"multipart", "b"},
		"PUT /b/k?partNumber=1&uploadId=2~x": {"multipart", "b"},
		"GET /b/a/select?versionId=1":        {"get", "b"},
		"GET /b?list-type=2&prefix=select":   {"list", "b"},
		"GET /b/":                            {"list", "b"},
		"GET /":                              {"list", ""},
		"HEAD /b/k":                          {"head", "b"},
		"PUT /my%2Dbucket/k":                 {"put", "my-bucket"},
		"DELETE /b/k":                        {"delete", "b"},
		"OPTIONS /b/k":                       {"other", "b"},
	} {
		line := `2026-11-23T12:00:00.000+0000 7f1 1 beast: 0x7f2a: 127.0.0.1 - a user [23/Nov/2026:12:00:00.000 +0000] "` + request +
			` HTTP/1.1" 206 4096 - "agent \"in\" [quotes]" bytes=0-4095 latency=0.250000000s`
		got, ok := parseAccess(line)
		if !ok || got.op != want[0] || got.bucket != want[1] {
			t.Errorf("%s: %+v %v", request, got, ok)
		}
		if got.status != 206 || got.bytes != 4096 || got.seconds != 0.25 {
			t.Errorf("%s: %+v", request, got)
		}
	}
}

// As Ceph 18.2.7 wrote them.
func TestRealLinesAreUnderstood(t *testing.T) {
	for line, want := range map[string]access{
		`2026-11-23T14:28:23.605+0000 7f05f27fe6c0  1 beast: 0x7f05ef7f76e0: 127.0.0.1 - trino-user [23/Nov/2026:14:28:21.497 +0000] "PUT /lakehouse HTTP/1.1" 200 0 - "curl/7.88.1" - latency=2.108000040s`: {"put", "lakehouse", 200, 0, 2.10800004},
		`2026-11-23T14:49:48.801+0000 7f05f38006c0  1 beast: 0x7f05ef7f76e0: 10.244.0.2 - anonymous [23/Nov/2026:14:49:48.797 +0000] "GET / HTTP/1.0" 200 231 - - - latency=0.004000000s`:                    {"list", "", 200, 231, 0.004},
	} {
		if got, ok := parseAccess(line); !isAccess(line) || !ok || got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if isAccess("2026-11-23T14:28:19.005+0000 7f063b0c8140  0 starting handler: beast") {
		t.Error("that is no request")
	}
}

func TestWhatIsNotUnderstoodIsCountedAndOtherLinesAreNot(t *testing.T) {
	g := newGateway("", "")
	g.take("7f1 1 beast: 0x1: something else latency=0.1s")
	g.take("7f1 1 ====== req done req=0x1 op status=0 http_status=200 latency=0.1s ======")
	g.setReadable(true)
	if page := rendered(g); !strings.Contains(page, "rgw_access_log_unread_total 1\n") {
		t.Error(page)
	}
}

func TestAnUnreadableLogShowsNoZeroes(t *testing.T) {
	g := newGateway("", "")
	g.take(line("GET /b/k", 10))
	if page := rendered(g); strings.Contains(page, "rgw_requests_total") || !strings.Contains(page, "rgw_access_log_up 0\n") {
		t.Error(page)
	}
}

// Lines are counted once each while the log is moved away, by a gateway that opens a new one when asked.
func TestALogThatIsBegunAnewLosesNothing(t *testing.T) {
	folder := t.TempDir()
	path, socket := filepath.Join(folder, "log"), filepath.Join(folder, "asok")
	write(t, path, line("GET /b/k", 10)+line("POST /b/k?select", 3))
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	asked := make(chan string, 1)
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		command, _ := bufio.NewReader(connection).ReadString(0)
		asked <- command
		write(t, path+".old", line("GET /b/k", 100))
		write(t, path, line("GET /b/k", 1000))
		_ = binary.Write(connection, binary.BigEndian, uint32(2))
		_, _ = connection.Write([]byte("{}"))
		connection.Close()
	}()
	g := newGateway(path, socket)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := bufio.NewReader(file)
	for range 2 {
		text, _ := reader.ReadString('\n')
		g.take(text)
	}
	if err := g.beginAnew(context.Background(), file, reader); err != nil {
		t.Fatal(err)
	}
	if command := <-asked; !strings.Contains(command, `"log reopen"`) {
		t.Error(command)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- g.readThrough(ctx) }()
	want := `rgw_sent_bytes_total{op="get",bucket="b"} 1110`
	for end := time.Now().Add(10 * time.Second); !strings.Contains(rendered(g), want) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	<-ended
	g.setReadable(true)
	if page := rendered(g); !strings.Contains(page, want) || !strings.Contains(page, `rgw_requests_total{op="select",bucket="b"} 1`) {
		t.Error(page)
	}
	if _, err := os.Stat(path + ".old"); !os.IsNotExist(err) {
		t.Errorf("the old log is still there: %v", err)
	}
}

func line(request string, bytes int) string {
	page := &page{}
	page.sample("", nil, float64(bytes))
	return `t 1 beast: 0x1: 127.0.0.1 - u [23/Nov/2026:12:00:00.000 +0000] "` + request + ` HTTP/1.1" 200 ` + strings.TrimSpace(page.lines[0]) + " - - - latency=0.1s\n"
}

func rendered(g *gateway) string {
	page, text := &page{}, &strings.Builder{}
	g.expose(page)
	page.writeTo(text)
	return text.String()
}

func write(t *testing.T, path, text string) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = file.WriteString(text)
		file.Close()
	}
	if err != nil {
		t.Error(err)
	}
}
