//go:build testssl

package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// scanTime bounds a scan of one protocol.
const scanTime = 10 * time.Minute

// known are the findings of testssl.sh above INFO that are no fault, by its
// names for them.
var known = map[string]string{
	"engine_problem":      "about the scanner's own openssl",
	"cert_chain_of_trust": "mode \"own\" has an authority of its own, which no scanner trusts",
	"cert_revocation":     "that authority publishes no list: it replaces what it has signed every 60 days",
	"DNS_CAArecord":       "localhost has no CAA record",
	"TLS_session_ticket":  "crypto/tls announces 7 days for tickets, and changes their keys every day",
}

// TestScan has testssl.sh look for faults in each protocol.
func TestScan(t *testing.T) {
	// The scanner waits for the end of connections that it can't make sense of.
	h := newHouse(t, "[login]\ntimeout = \"2s\"\n")
	h.serve()
	for _, protocol := range []string{"chat", "files"} {
		t.Run(protocol, func(t *testing.T) {
			_, port, err := net.SplitHostPort(h.address(protocol))
			if err != nil {
				t.Fatal(err)
			}
			report := filepath.Join(t.TempDir(), "report.json")
			ctx, cancel := context.WithTimeout(t.Context(), scanTime)
			defer cancel()
			scan := exec.CommandContext(ctx, "testssl", "--quiet", "--warnings", "off", "--color", "0",
				"--severity", "LOW", "--ip", "127.0.0.1", "--jsonfile", report, "-p", "-s", "-f", "-P", "-S", "-U", "localhost:"+port)
			// Its status is a count of what it found; what matters is the report.
			text, _ := scan.CombinedOutput()
			if err := ctx.Err(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			var findings []struct{ ID, Severity, Finding string }
			data, err := os.ReadFile(report)
			if err == nil {
				err = json.Unmarshal(data, &findings)
			}
			if err != nil {
				t.Fatalf("no report: %v\n%s", err, text)
			}
			seen := false
			for _, f := range findings {
				seen = seen || f.ID == "cert_chain_of_trust"
				if f.Severity == "DEBUG" || f.Severity == "INFO" || f.Severity == "OK" || known[f.ID] != "" {
					continue
				}
				t.Errorf("%s %s: %s", f.Severity, f.ID, f.Finding)
			}
			if !seen {
				t.Errorf("the scan was not whole:\n%s", text)
			}
		})
	}
}
