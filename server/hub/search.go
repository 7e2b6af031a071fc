package hub

import (
	"context"
	"errors"
)

// Search returns the last limit messages with all of the words, oldest first,
// of what the account may read. If there are several words and the first is the
// name of a group or of an account, the others are looked for in the conversation
// with that alone; it returns ErrNotMember for a group that the account doesn't
// belong to. Searches wait for each other: many dear ones at once would keep
// everybody else from the store.
func (s *Session) Search(ctx context.Context, words []string, limit int) ([]Message, error) {
	spans, words, err := s.searched(ctx, words)
	if err != nil || len(spans) == 0 {
		return nil, err
	}
	select {
	case s.hub.searching <- struct{}{}:
		defer func() { <-s.hub.searching }()
	case <-ctx.Done():
		return nil, ctx.Err()
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
	if len(words) > 1 {
		span, err := s.readableBy(ctx, words[0])
		switch {
		case err == nil && span.Conversation == 0:
			return nil, nil, nil
		case err == nil:
			return []Span{span}, words[1:], nil
		case !errors.Is(err, ErrNoGroup):
			return nil, nil, err
		}
	}
	return s.readableAll(), words, nil
}
