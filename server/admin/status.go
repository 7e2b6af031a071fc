package admin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"posko/server/line"
)

// A Status describes the running server, for people.
type Status struct {
	Version string
	Started time.Time
	// Connections is how many there are, and Listening where they come from,
	// by protocol. The operator's own are left out.
	Connections map[string]int
	Listening   map[string][]string
	Online      int // accounts that can be told something
	// Received and Sent are the bytes of files since the start.
	Received, Sent int64
	// Certificates are those being served.
	Certificates []Certificate
	// Reload is why the last reload changed nothing, or nil.
	Reload error
}

// A Certificate is what there is to know about one that is being served.
type Certificate struct {
	Names    []string // host names, then addresses
	Issuer   string
	NotAfter time.Time
	Err      error // why it could not be renewed, or nil
}

// Days is how many whole days are left of the certificate; below zero it has
// ended.
func (c Certificate) Days(now time.Time) int {
	left := c.NotAfter.Sub(now)
	days := int(left / (24 * time.Hour))
	if left < 0 {
		days--
	}
	return days
}

func (s *session) status(ctx context.Context, c *line.Call) error {
	accounts, err := s.Accounts.List(ctx)
	if err != nil {
		return err
	}
	st, now := s.Status(), time.Now()
	rows := []string{
		column("version", "%s", st.Version),
		column("started", "%s (%v ago)", stamp(st.Started), now.Sub(st.Started).Round(time.Second)),
		column("accounts", "%d, %d online", len(accounts), st.Online),
		column("groups", "%d", len(s.Hub.Groups())),
	}
	for _, protocol := range slices.Sorted(maps.Keys(st.Listening)) {
		rows = append(rows, column(protocol, "%d connections, listening on %s",
			st.Connections[protocol], strings.Join(st.Listening[protocol], ", ")))
	}
	for _, cert := range st.Certificates {
		rows = append(rows, column("certificate", "%s", cert.describe(now)))
	}
	if st.Reload == nil {
		rows = append(rows, column("configuration", "in use"))
	} else {
		rows = append(rows, column("configuration", "the last reload was refused, the one before is in use"))
		for complaint := range strings.SplitSeq(st.Reload.Error(), "\n") {
			rows = append(rows, column("", "%s", complaint))
		}
	}
	c.Lines(rows)
	return nil
}

func (c Certificate) describe(now time.Time) string {
	text := fmt.Sprintf("%s, by %s, until %s (%d days)",
		strings.Join(c.Names, " "), c.Issuer, stamp(c.NotAfter), c.Days(now))
	if c.Err != nil {
		text += "; not renewed: " + c.Err.Error()
	}
	return text
}
