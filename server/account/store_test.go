package account

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A memStore is a Store without a disk.
type memStore struct {
	mu       sync.Mutex
	accounts map[int64]Account
	groups   map[int64]string
	invited  map[string]*Invitation // by hash
	certs    map[string]memCert

	// onChange is called by SetPassword and SetDisabled before they do
	// anything, if it is set.
	onChange func()
}

func newMemStore() *memStore {
	return &memStore{accounts: map[int64]Account{}, groups: map[int64]string{}, invited: map[string]*Invitation{}, certs: map[string]memCert{}}
}

type memCert struct {
	account int64
	Bound
}

func (s *memStore) CertificateAccount(_ context.Context, fingerprint string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c, ok := s.certs[fingerprint]; {
	case !ok:
		return 0, ErrCertificate
	case c.Revoked:
		return 0, ErrRevoked
	default:
		return c.account, nil
	}
}

func (s *memStore) Certificates(_ context.Context, id int64) (all []Bound, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.certs {
		if c.account == id {
			all = append(all, c.Bound)
		}
	}
	return all, nil
}

func (s *memStore) SetCertificate(_ context.Context, id int64, fingerprint string, revoked bool) (Account, error) {
	s.mu.Lock()
	c, ok := s.certs[fingerprint]
	if ok && c.account != id && !c.Revoked {
		s.mu.Unlock()
		return Account{}, ErrCertificateTaken
	}
	s.certs[fingerprint] = memCert{id, Bound{Fingerprint: fingerprint, Revoked: revoked}}
	s.mu.Unlock()
	return s.change(id, func(a *Account) {
		if revoked {
			a.Epoch++
		}
	})
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

func (s *memStore) AddInvitation(_ context.Context, i Invitation, hash []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.groups[i.Group]; i.Group != 0 && !ok {
		return ErrNoGroup
	}
	i.ID = int64(len(s.invited) + 1)
	s.invited[string(hash)] = &i
	return nil
}

func (s *memStore) Invitations(_ context.Context, now time.Time) (all []Invitation, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.invited {
		if i.Expires.After(now) {
			all = append(all, *i)
		}
	}
	return all, nil
}

func (s *memStore) RemoveInvitation(_ context.Context, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.invited)
	maps.DeleteFunc(s.invited, func(_ string, i *Invitation) bool { return i.ID == id })
	if len(s.invited) == before {
		return ErrInvitation
	}
	return nil
}

func (s *memStore) InvitationOpen(_ context.Context, hash []byte, now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.invited[string(hash)]
	return i != nil && i.Left > 0 && i.Expires.After(now), nil
}

func (s *memStore) AddInvited(ctx context.Context, a Account, hash []byte) (Account, int64, error) {
	if open, _ := s.InvitationOpen(ctx, hash, a.Created); !open {
		return Account{}, 0, ErrInvitation
	}
	added, err := s.AddAccount(ctx, a)
	if err != nil {
		return Account{}, 0, err
	}
	i := s.invited[string(hash)]
	i.Left--
	return added, i.Group, nil
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
