package hub

import (
	"slices"
	"time"
)

// Bounds of the tokens with which messages are sent at most once.
const (
	maxToken  = 64             // characters
	tokens    = 1000           // of one account that are remembered; the oldest go first
	tokenTime = 24 * time.Hour // how long
)

// ValidToken says whether s may be the token of a message: 1 to 64 of the
// characters A to Z, a to z, 0 to 9, ".", "_" and "-".
func ValidToken(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-') {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= maxToken
}

// A StoredToken is one with which an account has sent a message.
type StoredToken struct {
	Account int64
	Token   string
	Time    time.Time
}

// spent are an account's tokens.
type spent struct {
	at    map[string]time.Time
	order []string // from the oldest on
}

// keep adds a token and forgets the oldest one if there are too many.
func (s *spent) keep(token string, at time.Time) {
	if _, again := s.at[token]; again { // after its time was over
		s.order = slices.DeleteFunc(s.order, func(other string) bool { return other == token })
	}
	s.at[token] = at
	s.order = append(s.order, token)
	if len(s.order) > tokens {
		delete(s.at, s.order[0])
		s.order = s.order[1:]
	}
}

// A once is a message's token; without one it is said as often as it is sent.
type once struct {
	token    string
	repeated bool
	now      time.Time
}

// A use is that of a token.
type use struct {
	account int64
	token   string
}

// repeats says whether the account has sent something with the token before
// this place. If so, the message is done without anything happening.
func (o *once) repeats(r *round, account int64) bool {
	if o.repeated = false; o.token == "" {
		return false
	}
	o.repeated = r.used[use{account, o.token}]
	if s := r.h.spent[account]; s != nil && !o.repeated {
		at, known := s.at[o.token]
		o.repeated = known && r.now.Sub(at) < tokenTime
	}
	return o.repeated
}

// plan notes the use, and has it kept along with a message that is.
func (o *once) plan(r *round, account int64, kept bool) {
	if o.token == "" {
		return
	}
	o.now = r.now
	r.used[use{account, o.token}] = true
	if !kept {
		return
	}
	record := RecordToken{Account: account, Token: o.token, Time: r.now}
	if s := r.h.spent[account]; s != nil {
		if i := len(s.order) + r.spending[account] - tokens; i >= 0 && i < len(s.order) {
			record.Forget = s.order[i]
		}
	}
	r.spending[account]++
	r.records = append(r.records, record)
}

func (o *once) apply(r *round, account int64) {
	if o.token != "" {
		r.h.spend(StoredToken{account, o.token, o.now})
	}
}

// unsaid notes that the message of this round has not come about after all.
func (o *once) unsaid(r *round, account int64) {
	if o.token != "" {
		r.used[use{account, o.token}] = false
	}
}

// repeat answers a message that repeats another one: as that was, if it was of
// this round and has not come about.
func (o *once) repeat(r *round, account int64) {
	if said, here := r.used[use{account, o.token}]; here && !said {
		r.answer(ErrOffline)
	}
}

// spend remembers that a token was used.
func (h *Hub) spend(t StoredToken) {
	s := h.spent[t.Account]
	if s == nil {
		s = &spent{at: map[string]time.Time{}}
		h.spent[t.Account] = s
	}
	s.keep(t.Token, t.Time)
}
