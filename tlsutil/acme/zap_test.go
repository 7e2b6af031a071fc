package acme

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
)

// TestZap demands that levels and fields arrive as they were.
func TestZap(t *testing.T) {
	var out bytes.Buffer
	log := newZap(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelInfo,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	log.Debug("not logged")
	log.Named("obtain").With(zap.String("ca", "x")).Info("acquiring lock",
		zap.String("identifier", "a\nb"), zap.Int("attempt", 2), zap.Duration("in", time.Minute), zap.Bool("ok", true))
	log.Warn("nested", zap.Namespace("cert"), zap.Strings("names", []string{"a", "b"}), zap.Dict("by", zap.Int("n", 1)))
	log.With(zap.Int("a", 1), zap.Namespace("in")).Error("failed", zap.Error(errors.New("no")))
	want := `level=INFO msg="acquiring lock" ca=x logger=obtain identifier="a\nb" attempt=2 in=1m0s ok=true
level=WARN msg=nested cert.names="[a b]" cert.by.n=1
level=ERROR msg=failed a=1 in.error=no
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
