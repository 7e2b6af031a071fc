package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"posko/server/line"
)

// A keeper stores, replaces and deletes one file over a connection of its own,
// and knows what must be there, and in the trash, after each acknowledgement.
type keeper struct {
	name    string
	given   int   // versions
	there   int   // the version that has the name; 0 for none
	trash   []int // versions, the oldest first
	pending int   // the version that is on its way
	delete  bool  // is pending
	resumed int   // bytes that needed no second sending
}

// data is a version of the file: each has a length of its own.
func (k *keeper) data(version int) []byte {
	b := make([]byte, 50_000+version)
	src := rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%s %d", k.name, version)))
	src.Read(b)
	return b
}

func (k *keeper) hash(version int) string {
	sum := sha256.Sum256(k.data(version))
	return hex.EncodeToString(sum[:])
}

// stored, deleted: what was on its way is done.

func (k *keeper) stored() {
	if k.there > 0 {
		k.trash = append(k.trash, k.there)
	}
	k.there, k.pending = k.pending, 0
}

func (k *keeper) deleted() {
	k.trash = append(k.trash, k.there)
	k.there, k.delete = 0, false
}

// work goes on until the connection breaks, and calls step now and then.
func (k *keeper) work(p *peer, step func()) error {
	for {
		if k.given++; k.given%4 == 0 && k.there > 0 {
			k.delete = true
			if _, err := p.Do("DEL " + k.name); err != nil {
				return refusalOf(err)
			}
			k.deleted()
			step()
			continue
		}
		k.pending = k.given
		if err := k.put(p, 0, k.data(k.pending), step); err != nil {
			return refusalOf(err)
		}
		k.stored()
		step()
	}
}

func (k *keeper) put(p *peer, from int, rest []byte, step func()) error {
	commands := []string{"ALLO " + strconv.Itoa(len(rest)), "PUT " + k.name}
	if from > 0 {
		commands = slices.Insert(commands, 0, "REST "+strconv.Itoa(from))
	}
	for _, command := range commands {
		if _, err := p.Do(command); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(rest, 20_000) {
		if _, err := p.Write(part); err != nil {
			return err
		}
		step()
	}
	_, err := p.Answer()
	return err
}

// recover finds out what became of what was on its way, and ends an upload.
func (k *keeper) recover(p *peer) error {
	a, err := p.Do("HASH " + k.name)
	if _, refused := errors.AsType[line.Refusal](err); err != nil && !refused {
		return err
	}
	gone := err != nil
	switch {
	case k.delete && gone:
		k.deleted()
	case k.pending > 0 && a.Text == k.hash(k.pending):
		k.stored()
	case gone != (k.there == 0), !gone && a.Text != k.hash(k.there):
		return fmt.Errorf("%s has the hash %q, and is not version %d", k.name, a.Text, k.there)
	}
	k.delete = false
	if k.pending == 0 {
		return nil
	}
	if a, err = p.Do("PART " + k.name); err != nil {
		return err
	}
	from, err := strconv.Atoi(a.Text)
	data := k.data(k.pending)
	if err != nil || from > len(data) {
		return fmt.Errorf("PART %s: %q of %d bytes, %v", k.name, a.Text, len(data), err)
	}
	if err := k.put(p, from, data[from:], func() {}); err != nil {
		return err
	}
	k.resumed += from
	k.stored()
	return nil
}

// TestResumeDurability kills the daemon at random moments while files are
// stored, replaced and deleted. After each restart every name leads to the
// version that was acknowledged last, or to the next one; uploads go on where
// they were; the trash holds exactly what was there before; and what counts of
// the quota is what there is.
func TestResumeDurability(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	h.user("ani")
	random := rand.New(rand.NewPCG(3, 4))
	keepers := []*keeper{{name: "satu"}, {name: "dua"}, {name: "tiga"}}
	for range rounds {
		h.serve()
		h.check(keepers)
		address := h.address("files")
		enough := 1 + random.Int64N(30)
		var steps atomic.Int64
		step := func() {
			if steps.Add(1) == enough {
				h.daemon.Process.Kill()
			}
		}
		var peers []*peer
		for range keepers {
			peers = append(peers, must(h.files(address, "ani"))(t))
		}
		var working sync.WaitGroup
		for i, k := range keepers {
			working.Go(func() {
				defer peers[i].Close()
				if err := k.work(peers[i], step); err != nil {
					t.Errorf("%s: %v", k.name, err)
				}
			})
		}
		working.Wait()
		h.kill()
	}
	h.serve()
	h.check(keepers)
	resumed := 0
	for _, k := range keepers {
		resumed += k.resumed
	}
	if resumed == 0 {
		t.Error("no upload was gone on with: this has tested little")
	}
	p := must(h.files(h.address("files"), "ani"))(t)
	defer p.Close()
	for _, k := range keepers {
		if k.there > 0 {
			must(p.Do("DEL " + k.name))(t)
			k.deleted()
		}
		must(p.Do("UNDEL " + k.name))(t)
		if a, want := must(p.Do("HASH "+k.name))(t), k.trash[len(k.trash)-1]; a.Text != k.hash(want) {
			t.Errorf("%s came back as something else than version %d", k.name, want)
		}
	}
}

// check compares what is there with what must be.
func (h *house) check(keepers []*keeper) {
	h.t.Helper()
	p := must(h.files(h.address("files"), "ani"))(h.t)
	defer p.Close()
	for _, k := range keepers {
		if err := k.recover(p); err != nil {
			h.t.Fatal(err)
		}
	}
	trash := map[string][]int{}
	size := 0
	for _, row := range must(p.Do("TRASH"))(h.t).Rows { // id time size name
		fields := strings.SplitN(row, " ", 4)
		n := must(strconv.Atoi(fields[2]))(h.t)
		trash[fields[3]] = append(trash[fields[3]], n-50_000)
		size += n
	}
	files := 0
	for _, k := range keepers {
		if got := trash["/"+k.name]; !slices.Equal(got, k.trash) {
			h.t.Errorf("in the trash are versions %d of %s, want %d", got, k.name, k.trash)
		}
		files += len(k.trash)
		if k.there > 0 {
			files++
			size += len(k.data(k.there))
		}
	}
	used := strings.Fields(must(p.Do("QUOTA"))(h.t).Text)
	if used[0] != strconv.Itoa(size) || used[2] != strconv.Itoa(files) {
		h.t.Errorf("QUOTA says %q; there are %d bytes in %d files", used, size, files)
	}
}
