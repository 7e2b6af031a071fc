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

// A Certificate is what there is to know about one, in words for people.
type Certificate struct {
	Names    []string // host names, then addresses
	Source   string   // who provides it
	Issuer   string
	NotAfter time.Time // zero: there is none yet
	Tried    time.Time // when it was last renewed, or should have been; zero: not known
	Err      error     // why that failed, or nil
	Waiting  string    // what it waits for, or ""
	Trouble  string    // why somebody must look after it, or ""
	Next     string    // what is then to be done
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
	text := strings.Join(c.Names, " ") + ", "
	if c.NotAfter.IsZero() {
		text += "not there yet"
	} else {
		text += fmt.Sprintf("by %s, until %s (%d days)", c.Issuer, stamp(c.NotAfter), c.Days(now))
	}
	if c.Err != nil {
		text += "; not renewed: " + c.Err.Error()
	}
	return text
}

// certificates tells about each certificate in rows of its own, with an empty
// row between two of them.
func (s *session) certificates(_ context.Context, c *line.Call) error {
	st := s.Status()
	var rows []string
	for i, cert := range st.Certificates {
		if i > 0 {
			rows = append(rows, "")
		}
		rows = append(rows, cert.rows(time.Now())...)
	}
	c.Lines(rows)
	return nil
}

func (c Certificate) rows(now time.Time) []string {
	state := "good"
	switch {
	case c.Trouble != "":
		state = "NEEDS YOU: " + c.Trouble
	case c.Err != nil:
		state = "good for now, but the last renewal failed"
	case c.NotAfter.IsZero():
		state = "not there yet"
	}
	rows := []string{
		column("names", "%s", strings.Join(c.Names, " ")),
		column("state", "%s", state),
	}
	if c.Next != "" && (c.Trouble != "" || c.Err != nil) {
		rows = append(rows, column("to do", "%s", c.Next))
	}
	if c.Waiting != "" {
		rows = append(rows, column("waiting for", "%s", c.Waiting))
	}
	rows = append(rows, column("source", "%s", c.Source))
	if !c.NotAfter.IsZero() {
		rows = append(rows,
			column("issuer", "%s", c.Issuer),
			column("not after", "%s", stamp(c.NotAfter)),
			column("days left", "%d", c.Days(now)))
	}
	renewal := none
	switch {
	case c.Err != nil && c.Tried.IsZero():
		renewal = "failed: " + c.Err.Error()
	case c.Err != nil:
		renewal = stamp(c.Tried) + " failed: " + c.Err.Error()
	case !c.Tried.IsZero():
		renewal = stamp(c.Tried) + " succeeded"
	}
	return append(rows, column("last renewal", "%s", renewal))
}
