package main

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
)

func TestDescribe(t *testing.T) {
	t.Chdir(t.TempDir())
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@posko.example", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@posko.example")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	is := func(want string) {
		t.Helper()
		got, err := describe()
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("version %q, want %s", got, want)
		}
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "first")
	is(`^0\.0\.0\+1\.[0-9a-f]+$`)
	git("tag", "-m", "release", "v0.1.0")
	is(`^0\.1\.0$`)
	git("commit", "-q", "--allow-empty", "-m", "second")
	is(`^0\.1\.0\+1\.[0-9a-f]+$`)
}
