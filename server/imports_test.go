package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows says which packages of ours each package may import: the rooms of
// DESIGN.md. What has no row has no place yet.
var arrows = map[string][]string{
	"posko": {},
	"posko/cmd/poskod": {
		"posko", "posko/server", "posko/server/admin", "posko/server/account", "posko/server/line",
		"posko/server/store", "posko/tlsutil", "posko/tlsutil/acme", "posko/systemd",
	},
	"posko/cmd/posko": {"posko/server/line", "posko/tlsutil"},
	"posko/server": {
		"posko", "posko/server/chat", "posko/server/files", "posko/server/admin", "posko/server/line",
		"posko/server/hub", "posko/server/account", "posko/server/sandbox",
	},
	"posko/server/chat":    core,
	"posko/server/files":   core,
	"posko/server/admin":   core,
	"posko/server/store":   {"posko/server/account", "posko/server/hub", "posko/server/sandbox"},
	"posko/server/bench":   {"posko/server/line"},
	"posko/server/line":    {},
	"posko/server/hub":     {},
	"posko/server/account": {},
	"posko/server/sandbox": {},
	"posko/tlsutil":        {},
	"posko/tlsutil/acme":   {"posko/tlsutil"},
	// For tests alone.
	"posko/tlsutil/acme/acmetest": {"posko/tlsutil"},
	"posko/systemd":               {},
}

// core is what a dialect builds on.
var core = []string{"posko/server/line", "posko/server/hub", "posko/server/account", "posko/server/sandbox"}

// doors says which packages may import a module from outside, by the prefix of
// its import paths. What has no row isn't imported at all, except by tests.
var doors = map[string][]string{
	"github.com/BurntSushi/toml":          {"posko/server"},
	"github.com/prometheus/client_golang": {"posko/server"},
	"golang.org/x/crypto/argon2":          {"posko/server/account"},
	"golang.org/x/crypto/ocsp":            {"posko/tlsutil/acme", "posko/tlsutil/acme/acmetest"},
	"modernc.org/sqlite":                  {"posko/server/store"},
	"github.com/coreos/go-systemd/v22":    {"posko/systemd"},
	"github.com/caddyserver/certmagic":    {"posko/tlsutil/acme"},
	"github.com/mholt/acmez/v3":           {"posko/tlsutil/acme"},
	"go.uber.org/zap":                     {"posko/tlsutil/acme"},
	"github.com/spf13/cobra":              {"posko/cmd/poskod", "posko/cmd/posko"},
	"golang.org/x/term":                   {"posko/cmd/poskod", "posko/cmd/posko"},
	"golang.org/x/time/rate":              everyRoom,
	"golang.org/x/sys/unix":               everyRoom,
}

// everyRoom opens a door to all packages of ours.
var everyRoom []string

// misplaced says why pkg may not import path, or "".
func misplaced(pkg, path string) string {
	allowed, ok := arrows[pkg]
	if !ok {
		return "has no row in the table of arrows"
	}
	if path == "posko" || strings.HasPrefix(path, "posko/") {
		if !slices.Contains(allowed, path) {
			return "is not among what it may import"
		}
		return ""
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	for module, rooms := range doors {
		if path == module || strings.HasPrefix(path, module+"/") {
			if rooms != nil && !slices.Contains(rooms, pkg) {
				return fmt.Sprintf("comes in only through %q", rooms)
			}
			return ""
		}
	}
	return "has no row in the table of doors"
}

func TestImports(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "posko/...")
	list.Env = append(os.Environ(), "GOPROXY=off") // what is missing is an error, not a download
	list.Stderr = t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string // of the files that aren't tests
		}
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if _, ok := arrows[p.ImportPath]; !ok {
			t.Errorf("%s has no row in the table of arrows", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			if why := misplaced(p.ImportPath, path); why != "" {
				t.Errorf("%s imports %s, which %s", p.ImportPath, path, why)
			}
		}
	}
}

// TestMisplaced keeps TestImports from passing by looking at nothing.
func TestMisplaced(t *testing.T) {
	tests := []struct {
		pkg, path string
		ok        bool
	}{
		{"posko/server/chat", "posko/server/hub", true},
		{"posko/server/hub", "posko/server/chat", false},
		{"posko/server/hub", "posko", false},
		{"posko/server", "posko/server/store", false},
		{"posko/server", "posko/tlsutil", false},
		{"posko/util", "fmt", false},
		{"posko/server/line", "net/http", true},
		{"posko/server/line", "golang.org/x/sys/unix", true},
		{"posko/server/store", "modernc.org/sqlite", true},
		{"posko/server/store", "modernc.org/sqlite/lib", true},
		{"posko/server/hub", "modernc.org/sqlite", false},
		{"posko/server/store", "modernc.org/sqlite3", false},
		{"posko/server/store", "github.com/google/go-cmp/cmp", false},
	}
	for _, tt := range tests {
		if why := misplaced(tt.pkg, tt.path); (why == "") != tt.ok {
			t.Errorf("%s importing %s: %q", tt.pkg, tt.path, why)
		}
	}
}
