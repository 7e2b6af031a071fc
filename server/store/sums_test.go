package store

import (
	"bytes"
	"testing"

	"posko/server/sandbox"
)

// A sum is that of one state of a file, and outlives a restart.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	of := sandbox.Stamp{Inode: -1, Size: 2, Modified: 3, Changed: 4}
	want := func(of sandbox.Stamp, want []byte) {
		t.Helper()
		if got, err := s.Sum(t.Context(), of); err != nil || !bytes.Equal(got, want) {
			t.Errorf("Sum(%+v) = %x, %v; want %x", of, got, err, want)
		}
	}
	want(of, nil)
	for _, sum := range []string{"one", "two"} {
		if err := s.SaveSum(t.Context(), of, []byte(sum)); err != nil {
			t.Fatal(err)
		}
		want(of, []byte(sum))
	}
	for _, other := range []sandbox.Stamp{
		{Inode: 1, Size: 2, Modified: 3, Changed: 4}, {Inode: -1, Size: 1, Modified: 3, Changed: 4},
		{Inode: -1, Size: 2, Modified: 1, Changed: 4}, {Inode: -1, Size: 2, Modified: 3, Changed: 1},
	} {
		want(other, nil)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	want(of, []byte("two"))
}
