package files

import (
	"context"
	"fmt"

	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

func (s *session) quota(_ context.Context, c *line.Call) error {
	used, limit, err := s.box.Quota(s.cwd)
	if err != nil {
		return err
	}
	c.Say(line.Reply(fmt.Sprintf("%d %d %d %d", used.Bytes, limit.Bytes, used.Files, limit.Files)))
	return nil
}

func (s *session) trash(_ context.Context, c *line.Call) error {
	versions, root, err := s.box.Trash(s.cwd)
	if err != nil {
		return err
	}
	c.Rows(len(versions), func(yield func(string, error) bool) {
		for _, v := range versions {
			if !yield(fmt.Sprintf("%s %s %d %s", v.ID, stamp(v.Deleted), v.Size, root+v.Path), nil) {
				return
			}
		}
	})
	return nil
}

func (s *session) undelete(_ context.Context, c *line.Call) error {
	path, err := sandbox.Resolve(s.cwd, c.Arg(0))
	if err != nil {
		return err
	}
	folder, _, shared := s.box.Folder(path)
	v, err := s.box.Undelete(c.Arg(0), path)
	if err == nil && shared {
		s.presence.TellOfFile(folder.Group, hub.FileRestored, v.Path[1:], "")
	}
	return err
}
