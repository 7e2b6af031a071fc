package chat

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"unicode"

	"posko/server/hub"
	"posko/server/line"
)

// Bounds of CHECKPAST and SEARCH, in messages and words.
const (
	pastCount   = 50
	pastMost    = 1000
	searchCount = 50
	searchWords = 16
)

func (s *session) online(_ context.Context, c *line.Call) error {
	group := c.Arg(0)
	if group == "" {
		c.Lines(s.Hub.Online())
		return nil
	}
	all, err := s.presence.Members(group)
	if err != nil {
		return err
	}
	var names []string
	for _, m := range all {
		if m.Online {
			names = append(names, m.Account.Name)
		}
	}
	c.Lines(names)
	return nil
}

func (s *session) groups(_ context.Context, c *line.Call) error {
	var rows []string
	for _, g := range s.presence.Groups() {
		rows = append(rows, groupRow(g))
	}
	c.Lines(rows)
	return nil
}

func (s *session) members(_ context.Context, c *line.Call) error {
	all, err := s.presence.Members(c.Arg(0))
	if err != nil {
		return err
	}
	rows := make([]string, len(all))
	for i, m := range all {
		rows[i] = memberRow(m)
	}
	c.Lines(rows)
	return nil
}

func (s *session) check(ctx context.Context, c *line.Call) error {
	s.checked, _ = s.conn.Heard()
	n, messages := s.presence.Check(ctx)
	show(c, n, messages)
	return nil
}

func (s *session) checkPast(ctx context.Context, c *line.Call) error {
	name, page, err := pastPage(c)
	if err != nil {
		return err
	}
	n, messages, err := s.presence.Past(ctx, name, page)
	if err != nil {
		return err
	}
	show(c, n, messages)
	return nil
}

// show answers with n rows of a history while they are taken from messages.
func show(c *line.Call, n int, messages iter.Seq2[hub.Message, error]) {
	c.Rows(n, func(yield func(string, error) bool) {
		for m, err := range messages {
			if !yield(row(m), err) {
				return
			}
		}
	})
}

func (s *session) search(ctx context.Context, c *line.Call) error {
	words, parts := strings.Fields(c.Arg(0)), strings.FieldsFunc(c.Arg(0), isBreak)
	if len(words) == 0 || max(len(words), len(parts)) > searchWords {
		return line.ErrMalformed
	}
	messages, err := s.presence.Search(ctx, words, searchCount)
	if err != nil {
		return err
	}
	rows := make([]string, len(messages))
	for i, m := range messages {
		rows[i] = row(m)
	}
	c.Lines(rows)
	return nil
}

// isBreak says whether r parts a word into several. Each of them costs a search
// as much as a word does, and a line has room for thousands.
func isBreak(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }

// isNumber admits decimal numbers.
func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// number reads one. What an int64 can't hold is as good as the greatest.
func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// pastPage reads the arguments of CHECKPAST. A sole one of digits is the count.
func pastPage(c *line.Call) (name string, page hub.Page, err error) {
	name, count := c.Arg(0), c.Arg(1)
	if len(c.Args) == 1 && isNumber(name) {
		name, count = "", name
	}
	page.Limit = pastCount
	if count != "" {
		page.Limit = int(min(number(count), pastMost))
	}
	switch len(c.Args) {
	case 3: // BEFORE or AFTER what?
		return "", page, line.ErrMalformed
	case 4:
		page.Side, page.Number = hub.Before, number(c.Arg(3))
		if c.Arg(2) == "AFTER" {
			page.Side = hub.After
		}
	}
	return name, page, nil
}
