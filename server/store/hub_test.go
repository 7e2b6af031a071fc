package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"posko/server/account"
	"posko/server/hub"
)

// positions returns what Positions does, or ends the test.
func positions(t *testing.T, s *Store, account int64) map[int64]int64 {
	t.Helper()
	p, err := s.Positions(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func groups(t *testing.T, s *Store) []hub.StoredGroup {
	t.Helper()
	g, err := s.Groups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGroups(t *testing.T) {
	s := newStore(t)
	ani, budi := addAccount(t, s, "Ani"), addAccount(t, s, "budi")
	commit(t, s,
		group(1, "Dapur"),
		hub.RecordJoin{Group: 1, Account: budi, Role: hub.Owner, Time: t0},
		group(2, "kamar"),
		hub.RecordJoin{Group: 2, Account: budi, Role: hub.Owner, Time: t0},
		message(1, 1, 1, budi, "halo"),
		hub.RecordJoin{Group: 1, Account: ani, Role: hub.Member, Time: t0.Add(1e6), Position: 1},
		message(2, 1, 2, ani, "hai"),
	)
	member := func(id int64, name string, role hub.Role) hub.StoredMember {
		return hub.StoredMember{Account: hub.Account{ID: id, Name: name}, Role: role, Joined: t0}
	}
	aniLater := member(ani, "Ani", hub.Member)
	aniLater.Joined, aniLater.Since = t0.Add(1e6), 1
	dapur := hub.StoredGroup{ID: 1, Name: "Dapur", Created: t0, Last: 2, Members: []hub.StoredMember{member(budi, "budi", hub.Owner), aniLater}}
	kamar := hub.StoredGroup{ID: 2, Name: "kamar", Created: t0, Members: []hub.StoredMember{member(budi, "budi", hub.Owner)}}
	if diff := cmp.Diff([]hub.StoredGroup{dapur, kamar}, groups(t, s)); diff != "" {
		t.Error(diff)
	}

	commit(t, s, hub.RecordHistory{Group: 1, SinceJoined: true})
	dapur.SinceJoined = true

	// A change of role leaves the rest as it was.
	if err := s.SavePositions(t.Context(), ani, map[int64]int64{1: 2}); err != nil {
		t.Fatal(err)
	}
	commit(t, s,
		hub.RecordJoin{Group: 1, Account: ani, Role: hub.Owner, Time: t0.Add(9e9), Position: 1},
		hub.RecordLeave{Group: 1, Account: budi},
		hub.RecordLeave{Group: 2, Account: budi},
		hub.RecordDropGroup{Group: 2, Time: t0},
	)
	aniLater.Role = hub.Owner
	dapur.Members = []hub.StoredMember{aniLater}
	kamar.Members, kamar.Dropped = nil, t0
	if diff := cmp.Diff([]hub.StoredGroup{dapur, kamar}, groups(t, s)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[int64]int64{1: 2}, positions(t, s, ani)); diff != "" {
		t.Errorf("a change of role changed the read position: %s", diff)
	}
	if left := positions(t, s, budi); len(left) != 0 {
		t.Errorf("after leaving, budi's positions are %v", left)
	}

	// The name is free, the id is not.
	commit(t, s, group(3, "KAMAR"))
	if _, conversation, err := s.LastIDs(t.Context()); conversation != 3 || err != nil {
		t.Error(conversation, err)
	}
}

func TestTaken(t *testing.T) {
	s := newStore(t)
	ani := addAccount(t, s, "ani")
	commit(t, s, group(1, "dapur1"))
	before := groups(t, s)
	for _, name := range []string{"ani", "ANI", "an1", "dapur1", "Dapurl"} {
		err := s.Commit(t.Context(), []hub.Record{
			hub.RecordPrivate{ID: 2, A: ani, B: ani},
			message(1, 2, 1, ani, "halo"),
			group(3, name),
			hub.RecordDropGroup{Group: 1, Time: t0},
		})
		if taken, ok := err.(*hub.TakenError); !ok || taken.Group != 3 {
			t.Errorf("a group named %s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, groups(t, s)); diff != "" {
		t.Error(diff)
	}
	if message, conversation, err := s.LastIDs(t.Context()); message != 0 || conversation != 1 || err != nil {
		t.Errorf("a refused round left message %d, conversation %d, %v", message, conversation, err)
	}
	// A round goes by the order of its records: freed before, it is not taken.
	commit(t, s, hub.RecordDropGroup{Group: 1, Time: t0}, group(3, "dapur1"))
}

func TestDeleteAccount(t *testing.T) {
	ctx, s := t.Context(), newStore(t)
	ani, budi := addAccount(t, s, "ani"), addAccount(t, s, "Budi")
	commit(t, s,
		group(1, "dapur"),
		hub.RecordJoin{Group: 1, Account: ani, Role: hub.Owner, Time: t0},
		hub.RecordJoin{Group: 1, Account: budi, Role: hub.Member, Time: t0},
		message(1, 1, 1, budi, "halo"),
		hub.RecordPrivate{ID: 2, A: ani, B: budi},
		message(2, 2, 1, ani, "hai"),
	)
	if err := s.SavePositions(ctx, budi, map[int64]int64{1: 1, 2: 1}); err != nil {
		t.Fatal(err)
	}
	commit(t, s, hub.RecordDeleteAccount{Account: budi, Time: t0})

	if _, err := s.Accounts().AccountByName(ctx, "budi"); !errors.Is(err, account.ErrNoAccount) {
		t.Error(err)
	}
	if _, err := s.Accounts().AccountByID(ctx, budi); !errors.Is(err, account.ErrNoAccount) {
		t.Error(err)
	}
	if _, err := s.AccountByName(ctx, "budi"); !errors.Is(err, hub.ErrNoAccount) {
		t.Error(err)
	}
	if members := groups(t, s)[0].Members; len(members) != 1 || members[0].Account.ID != ani {
		t.Errorf("the members are %v", members)
	}
	if err := s.SavePositions(ctx, budi, map[int64]int64{1: 1, 2: 1}); err != nil {
		t.Error(err)
	}
	if left := positions(t, s, budi); len(left) != 0 {
		t.Errorf("a deleted account has read positions %v", left)
	}
	var hashes int64
	if err := s.readers.QueryRowContext(ctx, "SELECT count(password) FROM accounts").Scan(&hashes); err != nil || hashes != 1 {
		t.Error("the password was kept", err)
	}

	// The name is free, and who gets it is somebody else.
	if addAccount(t, s, "budi") == budi {
		t.Error("the id was given again")
	}
	history := past(t, s, 10, hub.Span{Conversation: 1, Last: 9}, hub.Span{Conversation: 2, Last: 9})
	if len(history) != 2 || history[0].From.Name != "Budi" || history[1].To != "Budi" {
		t.Error(history)
	}
}

func TestPrivates(t *testing.T) {
	ctx, s := t.Context(), newStore(t)
	ani, budi := addAccount(t, s, "ani"), addAccount(t, s, "budi")
	commit(t, s,
		hub.RecordPrivate{ID: 1, A: ani, B: budi}, message(1, 1, 1, budi, "halo"), message(2, 1, 2, ani, "hai"),
		group(2, "dapur"),
		hub.RecordPrivate{ID: 3, A: ani, B: ani}, message(3, 3, 1, ani, "ingat"),
		hub.RecordPrivate{ID: 4, A: budi, B: budi},
	)
	got, err := s.Privates(ctx)
	if diff := cmp.Diff([]hub.StoredPrivate{
		{ID: 1, A: ani, B: budi, Last: 2}, {ID: 3, A: ani, B: ani, Last: 1}, {ID: 4, A: budi, B: budi},
	}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	var to []string
	for _, m := range past(t, s, 10, hub.Span{Conversation: 1, Last: 9}, hub.Span{Conversation: 3, Last: 9}) {
		to = append(to, m.From.Name+" "+m.To+m.Group)
	}
	if diff := cmp.Diff([]string{"budi ani", "ani budi", "ani ani"}, to); diff != "" {
		t.Error(diff)
	}
	// A second conversation of the same two would split what they say.
	if err := s.Commit(ctx, []hub.Record{hub.RecordPrivate{ID: 5, A: ani, B: budi}}); err == nil {
		t.Error("a pair has two conversations")
	}
}

// TestSwept deletes the last messages, as a sweep by age might.
func TestSwept(t *testing.T) {
	ctx, s := t.Context(), newStore(t)
	ani := addAccount(t, s, "ani")
	commit(t, s,
		group(1, "dapur"), message(1, 1, 1, ani, "halo"), message(2, 1, 2, ani, "hai"),
		hub.RecordPrivate{ID: 2, A: ani, B: ani}, message(3, 2, 1, ani, "ingat"),
	)
	if err := s.exec(ctx, "DELETE FROM messages WHERE id >= 2"); err != nil {
		t.Fatal(err)
	}
	if message, conversation, err := s.LastIDs(ctx); message != 3 || conversation != 2 || err != nil {
		t.Errorf("LastIDs: %d, %d, %v", message, conversation, err)
	}
	if last := groups(t, s)[0].Last; last != 2 {
		t.Errorf("the group's last number is %d", last)
	}
	if p, err := s.Privates(ctx); err != nil || p[0].Last != 1 {
		t.Error(p, err)
	}
}

func TestSavePositions(t *testing.T) {
	ctx, s := t.Context(), newStore(t)
	ani, budi := addAccount(t, s, "ani"), addAccount(t, s, "budi")
	commit(t, s,
		group(1, "dapur"), hub.RecordJoin{Group: 1, Account: ani, Role: hub.Owner, Time: t0, Position: 4},
		group(2, "kamar"), hub.RecordJoin{Group: 2, Account: budi, Role: hub.Owner, Time: t0},
		hub.RecordPrivate{ID: 3, A: ani, B: budi},
		hub.RecordPrivate{ID: 4, A: budi, B: budi},
	)
	for _, save := range []map[int64]int64{
		{1: 7, 2: 7, 3: 7, 4: 7, 99: 7}, // 2, 4 and 99 are not ani's
		{1: 6, 3: 8},                    // 6 is behind
		nil,
	} {
		if err := s.SavePositions(ctx, ani, save); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[int64]int64{1: 7, 3: 8}, positions(t, s, ani)); diff != "" {
		t.Error(diff)
	}
	// Who comes back starts anew.
	commit(t, s, hub.RecordLeave{Group: 1, Account: ani},
		hub.RecordJoin{Group: 1, Account: ani, Role: hub.Member, Time: t0, Position: 2})
	if diff := cmp.Diff(map[int64]int64{1: 2, 3: 8}, positions(t, s, ani)); diff != "" {
		t.Error(diff)
	}
}

func TestCommitUnknown(t *testing.T) {
	s := newStore(t)
	if err := s.Commit(t.Context(), []hub.Record{group(1, "dapur"), nil}); err == nil {
		t.Error("a record of no known type was committed")
	}
	if g := groups(t, s); len(g) != 0 {
		t.Error(g)
	}
}

func TestTokens(t *testing.T) {
	s := newStore(t)
	ani, budi := addAccount(t, s, "ani"), addAccount(t, s, "budi")
	token := func(account int64, token, forget string, after time.Duration) hub.RecordToken {
		return hub.RecordToken{Account: account, Token: token, Time: t0.Add(after), Forget: forget}
	}
	commit(t, s,
		token(ani, "a", "", 0), token(ani, "b", "", time.Second), token(budi, "a", "", 2*time.Second),
		token(ani, "c", "b", 3*time.Second), token(ani, "a", "", 4*time.Second),
	)
	stored := func(want ...hub.StoredToken) {
		t.Helper()
		got, err := s.Tokens(t.Context(), t0.Add(time.Second))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
	budis := hub.StoredToken{Account: budi, Token: "a", Time: t0.Add(2 * time.Second)}
	if err := s.ForgetTokens(t.Context(), t0.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := one(t.Context(), s.read, scanInt, `SELECT count(*) FROM tokens`); n != 3 || err != nil {
		t.Errorf("%d tokens are left, %v", n, err)
	}
	stored(budis, hub.StoredToken{Account: ani, Token: "c", Time: t0.Add(3 * time.Second)},
		hub.StoredToken{Account: ani, Token: "a", Time: t0.Add(4 * time.Second)})
	commit(t, s, hub.RecordDeleteAccount{Account: ani, Time: t0})
	stored(budis)
}
