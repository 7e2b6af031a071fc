package systemd

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"
)

// NewJournalHandler returns a handler that writes to the journal in its native
// protocol, or nil when stderr does not lead to the journal: then the caller
// logs text. An error means that the environment cannot be trusted to tell;
// the caller does best to log text then, too.
//
// A record's MESSAGE is its text and its attributes as slog.TextHandler writes
// them; each attribute is also a field, POSKO_ and its key in upper case, groups
// joined by an underscore. A value may hold any bytes: it can end neither its
// field nor the record. The handler may be used from any goroutine; a journal
// that does not read makes it wait.
//
// Source: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
func NewJournalHandler(level slog.Leveler) (slog.Handler, error) {
	ok, err := journal.StderrIsJournalStream()
	if err != nil {
		return nil, fmt.Errorf("systemd: journal: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return newJournalHandler(level), nil
}

type journalHandler struct {
	level  slog.Leveler
	prefix string            // of the fields to come: POSKO_, then the open groups
	fields map[string]string // what WithAttrs added; never changed
	text   slog.Handler      // the attributes, into out
	out    *lockedBuffer
}

type lockedBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func newJournalHandler(level slog.Leveler) *journalHandler {
	out := new(lockedBuffer)
	text := slog.NewTextHandler(&out.Buffer, &slog.HandlerOptions{Level: level})
	return &journalHandler{level: level, prefix: "POSKO_", text: text, out: out}
}

func (h *journalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.fields = make(map[string]string, len(h.fields)+len(attrs))
	maps.Copy(with.fields, h.fields)
	for _, a := range attrs {
		addField(with.fields, h.prefix, a)
	}
	with.text = h.text.WithAttrs(attrs)
	return &with
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.prefix = h.prefix + fieldName(name) + "_"
	with.text = h.text.WithGroup(name)
	return &with
}

func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	fields := map[string]string{"SYSLOG_IDENTIFIER": "poskod"}
	maps.Copy(fields, h.fields)
	r.Attrs(func(a slog.Attr) bool {
		addField(fields, h.prefix, a)
		return true
	})
	message, err := h.message(ctx, r)
	if err != nil {
		return err
	}
	return journal.Send(message, priority(r.Level), fields)
}

// message is the record's text and its attributes in one line.
func (h *journalHandler) message(ctx context.Context, r slog.Record) (string, error) {
	head := r.Message
	r.Message = ""
	h.out.Lock()
	defer h.out.Unlock()
	h.out.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return "", err
	}
	_, attrs, _ := strings.Cut(h.out.String(), `msg=""`) // before it: time and level
	return head + strings.TrimSuffix(attrs, "\n"), nil
}

// addField adds a, and of a group each member, under names that the journal
// takes: capital letters, digits and underscores, at most 64 bytes.
func addField(fields map[string]string, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		name := prefix + fieldName(a.Key)
		fields[name[:min(len(name), 64)]] = v.String()
		return
	}
	if a.Key != "" {
		prefix += fieldName(a.Key) + "_"
	}
	for _, member := range v.Group() {
		addField(fields, prefix, member)
	}
}

func fieldName(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		}
		return '_'
	}, key)
}

func priority(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
