package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// The access log is begun anew at this size.
	logLimit = 64 << 20
	// Buckets that are told apart; what strangers ask for must not make series without end.
	bucketLimit = 64
	lineLimit   = 64 << 10
)

// gateway counts what the object gateway did, from its access log. The gateway's own counter of bytes is not used: it counts what was read
// from disk, so it hides what S3 Select saves.
type gateway struct {
	log, socket string

	mu       sync.Mutex
	readable bool
	counts   map[[2]string]*counts // by operation and bucket
	buckets  map[string]bool
	unread   int // access lines that were not understood
}

type counts struct{ requests, failed, sent, received, seconds float64 }

func newGateway(log, socket string) *gateway {
	return &gateway{log: log, socket: socket, counts: map[[2]string]*counts{}, buckets: map[string]bool{}}
}

// follow reads the log from its beginning to whatever is appended, and on in the next one after it was moved away.
func (g *gateway) follow(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		err := g.readThrough(ctx)
		g.setReadable(false)
		if err != nil && err.Error() != said && ctx.Err() == nil {
			said = err.Error()
			log.Printf("gateway: %v", err)
		}
		sleep(ctx, time.Second)
	}
}

func (g *gateway) readThrough(ctx context.Context) error {
	file, err := os.Open(g.log)
	if err != nil {
		return err
	}
	defer file.Close()
	g.setReadable(true)
	reader, rest, read := bufio.NewReaderSize(file, 1<<20), "", int64(0)
	for ctx.Err() == nil {
		part, err := reader.ReadString('\n')
		read += int64(len(part))
		rest += part
		if err == nil {
			g.take(rest)
			rest = ""
			continue
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		if len(rest) > lineLimit {
			rest = rest[len(rest)-lineLimit:]
		}
		moved, err := g.moved(file)
		if err != nil {
			return err
		}
		if moved {
			return nil
		}
		if read > logLimit {
			if err := g.beginAnew(ctx, file, reader); err != nil {
				return err
			}
			return nil
		}
		sleep(ctx, 200*time.Millisecond)
	}
	return nil
}

// beginAnew moves the log away, has the gateway open a new one, reads the old one to its end and deletes it.
func (g *gateway) beginAnew(ctx context.Context, file *os.File, reader *bufio.Reader) error {
	old := g.log + ".old"
	if err := os.Rename(g.log, old); err != nil {
		return err
	}
	if err := askDaemon(g.socket, "log reopen"); err != nil {
		// It goes on writing to the moved file: move it back and try again later.
		return errors.Join(err, os.Rename(old, g.log))
	}
	// A thread may still be about to write a line that it began before.
	sleep(ctx, time.Second)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			break
		}
		g.take(line)
	}
	log.Printf("gateway: began a new access log")
	return os.Remove(old)
}

// moved says whether the path leads to another file by now, as after a restart of the lab.
func (g *gateway) moved(file *os.File) (bool, error) {
	mine, err := file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(g.log)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	return err == nil && !os.SameFile(mine, there), err
}

func (g *gateway) take(line string) {
	if !isAccess(line) {
		return
	}
	access, ok := parseAccess(strings.TrimRight(line, "\r\n"))
	g.mu.Lock()
	defer g.mu.Unlock()
	if !ok {
		g.unread++
		return
	}
	if !g.buckets[access.bucket] {
		if len(g.buckets) >= bucketLimit {
			access.bucket = "(others)"
		} else {
			g.buckets[access.bucket] = true
		}
	}
	key := [2]string{access.op, access.bucket}
	if g.counts[key] == nil {
		g.counts[key] = &counts{}
	}
	count := g.counts[key]
	count.requests++
	count.seconds += access.seconds
	if access.status >= 400 {
		count.failed++
	}
	if access.sends() {
		count.sent += access.bytes
	} else {
		count.received += access.bytes
	}
}

func (g *gateway) setReadable(readable bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.readable = readable
}

// expose shows nothing of a log that cannot be read: no evidence is not zero.
func (g *gateway) expose(page *page) {
	g.mu.Lock()
	defer g.mu.Unlock()
	up := 0.0
	if g.readable {
		up = 1
	}
	page.family("rgw_access_log_up", "gauge", "Whether the gateway's access log can be read.")
	page.sample("rgw_access_log_up", nil, up)
	if !g.readable {
		return
	}
	page.family("rgw_access_log_unread_total", "counter", "Lines of the access log that were not understood, and are in none of the other figures.")
	page.sample("rgw_access_log_unread_total", nil, float64(g.unread))
	lines := map[string]*counts{}
	for key, count := range g.counts {
		lines[key[0]+"\x00"+key[1]] = count
	}
	for _, family := range []struct {
		name, help string
		value      func(*counts) float64
	}{
		{"rgw_requests_total", "Requests, by what they were and their bucket.", func(c *counts) float64 { return c.requests }},
		{"rgw_failed_requests_total", "Requests that were answered with 4xx or 5xx.", func(c *counts) float64 { return c.failed }},
		{"rgw_sent_bytes_total", "Bytes that the gateway sent, of requests that bring none.", func(c *counts) float64 { return c.sent }},
		{"rgw_received_bytes_total", "Bytes of uploads, with the little that was sent in answer.", func(c *counts) float64 { return c.received }},
		{"rgw_request_seconds_total", "Time that the gateway took for requests.", func(c *counts) float64 { return c.seconds }},
	} {
		page.family(family.name, "counter", family.help)
		for _, key := range sortedKeys(lines) {
			op, bucket, _ := strings.Cut(key, "\x00")
			page.sample(family.name, []string{"op", op, "bucket", bucket}, family.value(lines[key]))
		}
	}
}

// askDaemon gives a command to a Ceph daemon by its admin socket: JSON with a zero byte there, a length and the answer back.
func askDaemon(socket, command string) error {
	connection, err := net.DialTimeout("unix", socket, 5*time.Second)
	if err != nil {
		return err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(connection, "{\"prefix\": %q, \"format\": \"json\"}\x00", command); err != nil {
		return err
	}
	var length uint32
	if err := binary.Read(connection, binary.BigEndian, &length); err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(connection, int64(min(length, 1<<16))))
	if err == nil && strings.HasPrefix(string(answer), "ERROR") {
		err = fmt.Errorf("%s: %s", command, answer)
	}
	return err
}
