package hub

// A setting changes what a group lets its members do.
type setting struct {
	name   string
	by     Account
	action Action // one of those below
	group  *group
}

// SetReadOnly says whether plain members may only read in the group's folder. It
// returns ErrNoGroup, ErrNotMember or ErrDenied.
func (s *Session) SetReadOnly(group string, readOnly bool) error {
	return s.set(group, readOnly, CloseFolder, OpenFolder)
}

// SetSinceJoined says whether members see of the group's history only what came
// after they joined. It returns ErrNoGroup, ErrNotMember or ErrDenied.
func (s *Session) SetSinceJoined(group string, since bool) error {
	return s.set(group, since, HidePast, ShowPast)
}

func (s *Session) set(group string, on bool, yes, no Action) error {
	action := no
	if on {
		action = yes
	}
	return s.hub.do(&setting{name: group, by: s.at.Account, action: action}, s)
}

func (c *setting) plan(r *round) (err error) {
	if c.group, err = r.managed(c.name, c.by, c.action); err != nil {
		return err
	}
	switch id := c.group.id; c.action {
	case CloseFolder, OpenFolder:
		r.records = append(r.records, RecordReadOnly{Group: id, ReadOnly: c.action == CloseFolder})
	case HidePast, ShowPast:
		r.records = append(r.records, RecordHistory{Group: id, SinceJoined: c.action == HidePast})
	}
	r.act(c.group, c.by, c.action, Account{}, "")
	return nil
}

func (c *setting) apply(r *round) {
	switch c.action {
	case CloseFolder, OpenFolder:
		c.group.readOnly = c.action == CloseFolder
	case HidePast, ShowPast:
		c.group.sinceJoined = c.action == HidePast
	}
	r.answer(nil)
	r.tellAct(c.group, c.by, c.action, "", "")
}
