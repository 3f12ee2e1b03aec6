package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"
)

// How long one watch lasts: what it may have missed is seen then at the latest.
const watchSeconds = "60"

// cluster reads lists of objects from the API server, with a certificate of its own.
type cluster struct {
	api    string
	client *http.Client
}

func newCluster(api, ca, certificate, key string) (*cluster, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", ca)
	}
	transport := &http.Transport{
		TLSClientConfig:       &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS12},
		ResponseHeaderTimeout: 10 * time.Second,
	}
	return &cluster{api: api, client: &http.Client{Transport: transport}}, nil
}

// follow hands the whole list to update, now and after each change, for as long as the context lives.
func (c *cluster) follow(ctx context.Context, path, selector string, update func([]json.RawMessage) error) {
	said := ""
	for ctx.Err() == nil {
		version, err := c.list(ctx, path, selector, update)
		if err == nil {
			said = ""
			err = c.untilChange(ctx, path, selector, version)
		}
		if err != nil && ctx.Err() == nil {
			if err.Error() != said {
				said = err.Error()
				log.Printf("%s: %v", path, err)
			}
			sleep(ctx, time.Second)
		}
	}
}

func (c *cluster) list(ctx context.Context, path, selector string, update func([]json.RawMessage) error) (string, error) {
	body, err := c.get(ctx, path, url.Values{"labelSelector": {selector}})
	if err != nil {
		return "", err
	}
	defer body.Close()
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	if err := json.NewDecoder(body).Decode(&list); err != nil {
		return "", err
	}
	return list.Metadata.ResourceVersion, update(list.Items)
}

// untilChange returns at the first event after the version, or when the watch ends.
func (c *cluster) untilChange(ctx context.Context, path, selector, version string) error {
	body, err := c.get(ctx, path, url.Values{
		"labelSelector": {selector}, "watch": {"true"}, "resourceVersion": {version}, "timeoutSeconds": {watchSeconds},
	})
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := bufio.NewReader(body).ReadBytes('\n'); err != nil && err != io.EOF {
		return err
	}
	return nil
}

func (c *cluster) get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.api+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 300))
		response.Body.Close()
		return nil, fmt.Errorf("the API server answered %s: %s", response.Status, text)
	}
	return response.Body, nil
}

func sleep(ctx context.Context, span time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(span):
	}
}
