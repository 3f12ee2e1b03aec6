package main

import (
	"io"
	"sort"
	"strconv"
	"strings"
)

// page is a page of metrics in the text format of Prometheus.
type page struct{ lines []string }

func (p *page) family(name, kind, help string) {
	p.lines = append(p.lines, "# HELP "+name+" "+help, "# TYPE "+name+" "+kind)
}

// sample adds one value; labels are names and values in turn.
func (p *page) sample(name string, labels []string, value float64) {
	pairs := []string{}
	for at := 0; at+1 < len(labels); at += 2 {
		escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(labels[at+1])
		pairs = append(pairs, labels[at]+`="`+escaped+`"`)
	}
	if len(pairs) > 0 {
		name += "{" + strings.Join(pairs, ",") + "}"
	}
	p.lines = append(p.lines, name+" "+strconv.FormatFloat(value, 'g', -1, 64))
}

func (p *page) writeTo(w io.Writer) {
	_, _ = io.WriteString(w, strings.Join(p.lines, "\n")+"\n")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
