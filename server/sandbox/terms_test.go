package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// grant gives the account other terms.
func (w *world) grant(t Terms) {
	w.Helper()
	w.must(w.SetTerms(w.Context(), testID, t))
}

func TestAccess(t *testing.T) {
	for _, c := range []struct {
		access      Access
		add, change error
	}{
		{FullAccess, nil, nil},
		{AddOnly, nil, ErrDenied},
		{ReadOnly, ErrDenied, ErrDenied},
	} {
		w := newWorld(t)
		w.put("/a", "isi")
		w.mkdir("/d")
		w.mkdir("/e")
		w.grant(Terms{c.access, Default, Default})
		create := func(path string) error {
			u, err := w.box.Create(path, 3)
			if err == nil {
				u.Abort()
			}
			return err
		}
		_, stat := w.box.Stat("/a")
		for _, try := range []struct {
			what      string
			got, want error
		}{
			{"stat", stat, nil},
			{"room", w.room(1), nil},
			{"create", create("/b"), c.add},
			{"create over", create("/a"), c.change},
			{"mkdir", w.box.Mkdir("/f"), c.add},
			{"rename", w.box.Rename("/d", "/g"), c.change},
			{"rmdir", w.box.Rmdir("/e"), c.change},
			{"remove", w.box.Remove("/a"), c.change},
		} {
			if try.got != try.want {
				t.Errorf("access %d: %s: %v, want %v", c.access, try.what, try.got, try.want)
			}
		}
	}
}

// What may not be replaced is not, though it was not there when the upload
// began; and what the account may not do any more is refused at the end.
func TestAccessAtCommit(t *testing.T) {
	w := newWorld(t)
	w.grant(Terms{Access: AddOnly})
	begin := func() *Upload {
		u, err := w.box.Create("/a", 4)
		w.must(err)
		_, err = io.WriteString(u, "baru")
		w.must(err)
		return u
	}
	first, second, third := begin(), begin(), begin()
	w.must(first.Commit(t.Context()))
	w.wantErr("the second", second.Commit(t.Context()), ErrDenied)
	w.wantContent("/a", "baru")
	w.must(w.SetTerms(t.Context(), testID, Terms{Access: ReadOnly}))
	w.wantErr("the third", third.Commit(t.Context()), ErrDenied)
	w.wantList("/", "a")
}

// Who may not store anything takes no room, and has the trash give way to
// nothing; once that has changed, an upload finds its room after all.
func TestAccessRoom(t *testing.T) {
	w := newWorld(t)
	w.SetOptions(Options{Trash: time.Hour, Quota: Quota{Bytes: 10}})
	w.put("/a", "0123")
	w.must(w.box.Remove("/a"))
	for _, size := range []int64{8, 20} {
		w.grant(Terms{ReadOnly, Default, Default})
		r, err := w.box.Reserve("/", 0, size)
		w.must(err)
		w.wantUsed(4, 1)
		w.wantTrash("/a")
		w.grant(Terms{FullAccess, Default, Default})
		u, err := w.box.Upload("/b", 0, r)
		if size > 10 {
			w.wantErr("Upload", err, ErrQuota)
			continue
		}
		w.must(err)
		w.wantUsed(8, 1)
		u.Abort()
		w.put("/a", "0123")
		w.must(w.box.Remove("/a"))
	}
}

// Of many uploads of one name by an account that may only add, one is stored,
// whenever the others have looked whether the name is free.
func TestAddOnlyRace(t *testing.T) {
	w := newWorld(t)
	w.grant(Terms{Access: AddOnly})
	const n = 20
	done := make(chan error, n)
	uploads := make([]*Upload, n)
	for i := range uploads {
		var err error
		uploads[i], err = w.box.Create("/a", 0)
		w.must(err)
	}
	for _, u := range uploads {
		go func() { done <- u.publishAfterLooking() }()
	}
	stored := 0
	for range n {
		switch err := <-done; err {
		case nil:
			stored++
		case ErrDenied:
		default:
			t.Error(err)
		}
	}
	if stored != 1 {
		t.Errorf("%d were stored", stored)
	}
}

// publishAfterLooking is Commit where all have looked already.
func (u *Upload) publishAfterLooking() error {
	err := u.publish()
	u.Abort()
	return err
}

// Terms that are changed while an account's sessions come and go hold for all.
func TestTermsRace(t *testing.T) {
	w := newWorld(t)
	w.box.Close()
	for i := range 100 {
		access := []Access{FullAccess, ReadOnly}[i%2]
		box := make(chan *Box)
		go func() {
			b, err := w.Account(t.Context(), testID, Groups{})
			if err != nil {
				t.Error(err)
			}
			box <- b
		}()
		w.grant(Terms{Access: access})
		b := <-box
		if err := b.Mkdir("/d"); (err == ErrDenied) != (access == ReadOnly) {
			t.Fatalf("access %d: %v", access, err)
		}
		b.Close()
	}
}

// Two transfers share the rate, a change of it reaches them, and neither waits
// once its context has ended.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, err := Open(t.TempDir(), new(memory), Options{Rate: 4 << 10})
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		box, err := disk.Account(t.Context(), testID, Groups{})
		if err != nil {
			t.Fatal(err)
		}
		defer box.Close()
		move := func(ctx context.Context, n int) error {
			down := make(chan error)
			go func() {
				_, err := io.Copy(io.Discard, box.Reader(ctx, io.NopCloser(bytes.NewReader(make([]byte, n)))))
				down <- err
			}()
			_, up := box.Writer(ctx, io.Discard).Write(make([]byte, n))
			return errors.Join(up, <-down)
		}
		took := func(what string, least time.Duration, do func()) {
			t.Helper()
			start := time.Now()
			do()
			if got := time.Since(start); got < least || got > least+time.Second {
				t.Errorf("%s took %v, want %v and a little", what, got, least)
			}
		}
		must := func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
		took("40 KiB at 4 KiB", 9*time.Second, func() { must(move(t.Context(), 20<<10)) })
		must(disk.SetTerms(t.Context(), testID, Terms{Rate: 20 << 10}))
		took("40 KiB at 20 KiB", time.Second, func() { must(move(t.Context(), 20<<10)) })
		must(disk.SetTerms(t.Context(), testID, Terms{Rate: 0}))
		took("1 MiB at no rate", 0, func() { must(move(t.Context(), 1<<20)) })
		must(disk.SetTerms(t.Context(), testID, Terms{Rate: Default}))
		disk.SetOptions(Options{Rate: 1 << 20})
		took("4 MiB at 1 MiB", 3*time.Second, func() { must(move(t.Context(), 2<<20)) })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		disk.SetOptions(Options{Rate: 1 << 10})
		took("what is given up", 2*time.Second, func() {
			if err := move(ctx, 1<<20); err == nil {
				t.Error("no error")
			}
		})
	})
}
