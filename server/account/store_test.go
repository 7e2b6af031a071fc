package account

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A memStore is a Store without a disk.
type memStore struct {
	mu       sync.Mutex
	accounts map[int64]Account
	groups   map[int64]string

	// onChange is called by SetPassword and SetDisabled before they do
	// anything, if it is set.
	onChange func()
}

func newMemStore() *memStore {
	return &memStore{accounts: map[int64]Account{}, groups: map[int64]string{}}
}

func (s *memStore) AccountByName(_ context.Context, key string) (Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		if Key(a.Name) == key {
			return a, nil
		}
	}
	return Account{}, ErrNoAccount
}

func (s *memStore) AccountByID(_ context.Context, id int64) (Account, error) {
	return s.change(id, func(*Account) {})
}

func (s *memStore) Accounts(context.Context) ([]Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.accounts), func(a, b Account) int {
		return cmp.Compare(Key(a.Name), Key(b.Name))
	}), nil
}

func (s *memStore) NameTaken(_ context.Context, skeleton string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		if Skeleton(a.Name) == skeleton {
			return true, nil
		}
	}
	return false, nil
}

func (s *memStore) AddAccount(_ context.Context, a Account) (Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.accounts {
		if Skeleton(other.Name) == Skeleton(a.Name) {
			return Account{}, ErrNameTaken
		}
	}
	a.ID, a.Epoch = int64(len(s.accounts)+1), 1
	s.accounts[a.ID] = a
	return a, nil
}

func (s *memStore) SetPassword(_ context.Context, id int64, hash string) (Account, error) {
	if s.onChange != nil {
		s.onChange()
	}
	return s.change(id, func(a *Account) { a.Password = hash; a.Epoch++ })
}

func (s *memStore) SetDisabled(_ context.Context, id int64, disabled bool) (Account, error) {
	if s.onChange != nil {
		s.onChange()
	}
	return s.change(id, func(a *Account) {
		if a.Disabled != disabled {
			a.Disabled = disabled
			a.Epoch++
		}
	})
}

func (s *memStore) SetAdmin(_ context.Context, id int64, admin bool) (Account, error) {
	return s.change(id, func(a *Account) { a.Admin = admin })
}

func (s *memStore) GroupPassword(_ context.Context, group int64) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash, ok := s.groups[group]
	if !ok {
		return "", ErrNoGroup
	}
	return hash, nil
}

func (s *memStore) change(id int64, f func(*Account)) (Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.accounts[id]
	if !ok {
		return Account{}, ErrNoAccount
	}
	f(&a)
	s.accounts[id] = a
	return a, nil
}

// newDirectory returns a Directory with cheap hashes, and its empty store.
func newDirectory(t *testing.T, o Options) (*Directory, *memStore) {
	t.Helper()
	o.Cost = Cost{Memory: 8, Time: 1, Threads: 1}
	s := newMemStore()
	d, err := New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return d, s
}

// add makes an account and fails the test if that fails.
func add(t *testing.T, d *Directory, name, password string) Account {
	t.Helper()
	a, err := d.Add(t.Context(), name, password)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(a.Password, password) {
		t.Fatalf("the hash %q contains the password", a.Password)
	}
	return a
}
