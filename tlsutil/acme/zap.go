package acme

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newZap gives certmagic, which logs by zap, a logger whose records arrive in
// log with their levels and fields.
func newZap(log *slog.Logger) *zap.Logger { return zap.New(core{log.Handler()}) }

// adopt has certmagic's own logger, which its locks write to whatever logger
// they are given, write to slog's default one. It can't be replaced, but is
// the one that certmagic.Default points to.
var adopt = sync.OnceFunc(func() { *certmagic.Default.Logger = *newZap(slog.Default()) })

// core is a zapcore.Core that writes to a slog.Handler.
type core struct{ handler slog.Handler }

func (c core) Enabled(l zapcore.Level) bool {
	return c.handler.Enabled(context.Background(), level(l))
}

func (c core) With(fields []zapcore.Field) zapcore.Core {
	for i, f := range fields {
		if f.Type == zapcore.NamespaceType {
			return core{c.handler.WithAttrs(attrs(fields[:i])).WithGroup(f.Key)}.With(fields[i+1:])
		}
	}
	return core{c.handler.WithAttrs(attrs(fields))}
}

func (c core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(e.Time, level(e.Level), e.Message, 0)
	if e.LoggerName != "" {
		r.AddAttrs(slog.String("logger", e.LoggerName))
	}
	r.AddAttrs(attrs(fields)...)
	return c.handler.Handle(context.Background(), r)
}

// Sync implements zapcore.Core; a slog.Handler keeps nothing back.
func (core) Sync() error { return nil }

func level(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	case l == zapcore.InfoLevel:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// attrs keeps the order of the fields. A namespace holds all that follow it.
func attrs(fields []zapcore.Field) []slog.Attr {
	var all []slog.Attr
	for i, f := range fields {
		if f.Type == zapcore.NamespaceType {
			return append(all, slog.Attr{Key: f.Key, Value: slog.GroupValue(attrs(fields[i+1:])...)})
		}
		enc := zapcore.NewMapObjectEncoder()
		f.AddTo(enc)
		all = append(all, members(enc.Fields)...)
	}
	return all
}

// members makes attributes of a field, which may be several, or an object's.
func members(m map[string]any) []slog.Attr {
	var all []slog.Attr
	for _, key := range slices.Sorted(maps.Keys(m)) {
		value := slog.AnyValue(m[key])
		if object, ok := m[key].(map[string]any); ok {
			value = slog.GroupValue(members(object)...)
		}
		all = append(all, slog.Attr{Key: key, Value: value})
	}
	return all
}
