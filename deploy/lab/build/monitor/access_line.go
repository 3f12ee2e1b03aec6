package main

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// access is one line of the gateway's access log.
type access struct {
	op, bucket string
	status     int
	bytes      float64
	seconds    float64
}

// Everything after the method is as the client sent it, so the line is taken apart from both ends.
var accessLine = regexp.MustCompile(`beast: \S+: \S+ - .* \[[^\]]*\] "([A-Z]+) (\S+) HTTP/[0-9.]+" ([0-9]{3}) ([0-9]+) .* latency=([0-9.]+)s\s*$`)

// isAccess tells the lines that must be understood from all others.
func isAccess(line string) bool {
	return strings.Contains(line, " beast: ") && strings.Contains(line, "latency=")
}

func parseAccess(line string) (access, bool) {
	parts := accessLine.FindStringSubmatch(line)
	if parts == nil {
		return access{}, false
	}
	path, query, _ := strings.Cut(parts[2], "?")
	// Names with a slash in them come encoded.
	bucket, object, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if name, err := url.PathUnescape(bucket); err == nil {
		bucket = name
	}
	status, _ := strconv.Atoi(parts[3])
	bytes, _ := strconv.ParseFloat(parts[4], 64)
	seconds, _ := strconv.ParseFloat(parts[5], 64)
	return access{op: operation(parts[1], query, object), bucket: bucket, status: status, bytes: bytes, seconds: seconds}, true
}

// operation names a request as people speak of it. An S3 Select is a POST with `select` in its query; nothing else tells it from others.
func operation(method, query, object string) string {
	has := map[string]bool{}
	for _, part := range strings.Split(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		has[name] = true
	}
	switch {
	case method == "POST" && has["select"]:
		return "select"
	case method == "POST" && has["delete"]:
		return "delete"
	case has["uploads"] || has["uploadId"]:
		return "multipart"
	case method == "GET" && object == "":
		return "list"
	case method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE":
		return strings.ToLower(method)
	default:
		return "other"
	}
}

// sends says whether the bytes of the line were sent: the gateway adds up what it sent and what it took, and only these take nothing.
func (a access) sends() bool { return a.op != "put" && a.op != "multipart" && a.op != "other" }
