package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posko/server/account"
)

func TestCopy(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Accounts().AddAccount(t.Context(), account.Account{Name: "ani", Password: "hash"}); err != nil {
		t.Fatal(err)
	}
	// While it is open, and with what stands in the log alone.
	restored := t.TempDir()
	path := filepath.Join(restored, databaseFile)
	if err := Copy(t.Context(), dir, path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("copy: %v, %v", info.Mode(), err)
	}
	if err := Check(t.Context(), path); err != nil {
		t.Errorf("Check: %v", err)
	}
	if err := Copy(t.Context(), dir, path); !os.IsExist(err) {
		t.Errorf("over a file that is there: %v", err)
	}
	again, err := Open(t.Context(), restored, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if a, err := again.Accounts().AccountByName(t.Context(), "ani"); err != nil || a.Name != "ani" {
		t.Errorf("account of the copy: %+v, %v", a, err)
	}
	if err := Copy(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "x")); !os.IsNotExist(err) {
		t.Errorf("without a database: %v", err)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	newer := append([]byte(nil), good...)
	newer[63] = 99 // user_version: https://www.sqlite.org/fileformat.html
	damaged := append([]byte(nil), good...)
	copy(damaged[2*4096:], strings.Repeat("x", 4096))
	for name, c := range map[string]struct {
		content []byte
		want    string // "" for a good one
	}{
		"good":      {good, ""},
		"empty":     {nil, "schema 0"},
		"newer":     {newer, "schema 99"},
		"damaged":   {damaged, "damaged"},
		"truncated": {good[:len(good)-4096], ""},
		"foreign":   {[]byte(strings.Repeat("not a database ", 1000)), "not a database"},
	} {
		path := filepath.Join(t.TempDir(), databaseFile)
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		err := Check(t.Context(), path)
		if name == "truncated" {
			if err == nil {
				t.Error("truncated: no error")
			}
			continue
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
