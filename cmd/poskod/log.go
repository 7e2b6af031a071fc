package main

import (
	"log/slog"
	"os"

	"posko/server"
	"posko/systemd"
)

// newLog makes the daemon's logger. Its level may be changed later on.
func newLog(format string, level slog.Leveler) *slog.Logger {
	opt := &slog.HandlerOptions{Level: level}
	text := slog.NewTextHandler(os.Stderr, opt)
	switch format {
	case server.FormatJSON:
		return slog.New(slog.NewJSONHandler(os.Stderr, opt))
	case server.FormatText:
		return slog.New(text)
	}
	journal, err := systemd.NewJournalHandler(level)
	switch {
	case err != nil:
		log := slog.New(text)
		log.Warn("logging text, since the journal can't be found", "err", err)
		return log
	case journal != nil:
		return slog.New(journal)
	}
	return slog.New(text)
}
