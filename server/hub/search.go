package hub

import (
	"context"
	"errors"
)

// Search returns the last limit messages with all of the words, oldest first,
// of what the account may read. If there are several words and the first is the
// name of a group or of an account, the others are looked for in the conversation
// with that alone; it returns ErrNotMember for a group that the account doesn't
// belong to.
func (s *Session) Search(ctx context.Context, words []string, limit int) ([]Message, error) {
	spans, words, err := s.searched(ctx, words)
	if err != nil || len(spans) == 0 {
		return nil, err
	}
	for more := true; more; {
		if more, err = s.hub.store.Index(ctx); err != nil {
			return nil, err
		}
	}
	return s.hub.store.Search(ctx, spans, words, limit)
}

// searched returns where the words are to be looked for, and which.
func (s *Session) searched(ctx context.Context, words []string) ([]Span, []string, error) {
	h := s.hub
	if len(words) > 1 {
		c, err := s.conversation(ctx, words[0])
		switch {
		case err == nil && c == nil:
			return nil, nil, nil
		case err == nil:
			h.mu.Lock()
			defer h.mu.Unlock()
			return []Span{{Conversation: c.id, After: s.hides(c), Last: c.last}}, words[1:], nil
		case !errors.Is(err, ErrNoGroup):
			return nil, nil, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var spans []Span
	for c := range s.conversations() {
		if c.last > 0 {
			spans = append(spans, Span{Conversation: c.id, After: s.hides(c), Last: c.last})
		}
	}
	return spans, words, nil
}
