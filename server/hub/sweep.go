package hub

import (
	"context"
	"time"
)

// agedPage is how many messages are looked at at a time.
const agedPage = 500

// sweep deletes the messages that are too old or too many, in small steps.
func (h *Hub) sweep(ctx context.Context) {
	settings := h.settings.Load()
	kept := map[*conversation]Retention{}
	h.mu.Lock()
	for _, g := range h.groups {
		kept[&g.conversation] = settings.Groups
	}
	for _, c := range h.privates {
		kept[c] = settings.Privates
	}
	h.mu.Unlock()
	for c, keep := range kept {
		if err := h.sweepOne(ctx, c, keep); err != nil {
			if ctx.Err() == nil {
				h.log.Error("old messages not deleted", "err", err)
			}
			return
		}
	}
}

func (h *Hub) sweepOne(ctx context.Context, c *conversation, keep Retention) (err error) {
	h.mu.Lock()
	number, last, oldest := c.swept, c.last, c.oldest
	h.mu.Unlock()
	if keep.Count > 0 {
		number = max(number, last-keep.Count)
	}
	for before := time.Now().Add(-keep.Age); keep.Age > 0 && number < last && oldest.Before(before); {
		from := number
		if number, oldest, err = h.store.Aged(ctx, c.id, from, before, agedPage); err != nil {
			return err
		}
		if number == from {
			break
		}
	}
	number, more := h.markSwept(c, number, oldest)
	for more = more || c.undone; more && err == nil; {
		more, err = h.store.Sweep(ctx, c.id, number)
	}
	c.undone = err != nil
	return err
}

// markSwept says of messages that they are gone, before they are, so that nobody
// is promised them any more. Those that a Check has promised already are left
// for the next time.
func (h *Hub) markSwept(c *conversation, number int64, oldest time.Time) (swept int64, more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, spans := range h.showing {
		for _, span := range spans {
			if span.Conversation == c.id && span.After < number {
				number, oldest = span.After, time.Time{}
			}
		}
	}
	more = number > c.swept
	c.swept, c.oldest = max(number, c.swept), oldest
	return c.swept, more
}
