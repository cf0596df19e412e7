package fleet

import (
	"fmt"
	"time"

	"strait/plan"
)

// Several Straits may work on one project at once: one is watched in a terminal
// while another counts in a script. What one finds out of a deployment, the
// others read in the journal, which all of them write.

// othersPace is how often the journal is looked at.
const othersPace = time.Second

// heedOthers takes what other Straits of this project record behind a place of
// the journal, until the fleet ends.
func (f *Fleet) heedOthers(from int64) {
	look := time.NewTicker(othersPace)
	defer look.Stop()
	failed := false
	for {
		select {
		case <-f.ctx.Done():
			return
		case <-look.C:
		}
		news, to, err := f.journal.news(from)
		for _, x := range news {
			f.heed(x)
		}
		if err != nil && !failed {
			f.change(func() { f.say("warn", "", err.Error()+"; what other Straits find out is not seen") })
		}
		from, failed = to, err != nil
	}
}

// heed takes one entry of another Strait.
func (f *Fleet) heed(x entry) {
	backup := x.Backup != nil && x.Phase == "answered" && x.Outcome == "ok"
	if x.Certificate == nil && !backup && plan.Action(x.Action) != plan.ActReveal {
		return
	}
	var recheck []func()
	f.change(func() {
		f.recallCertificate(x)
		f.recallBackup(x)
		for _, e := range f.envs {
			if e.embedded || x.Deployment == "" || e.place != x.Deployment {
				continue // one in memory is this process's alone
			}
			e.cache.stale, f.planned.stale = true, true
			switch {
			case x.Certificate != nil:
				if client := e.client; e.url == x.URL && e.heedCertificate(f.certificates[certificateKey(e.place, x.URL)]) && client != nil {
					recheck = append(recheck, func() { e.recheck(f.ctx, client) })
				}
			case backup:
				e.heedBackup(f.backups[e.place])
			case x.Phase == "asked":
				f.say("info", e.cfg.Name, "another Strait was asked to show, or to hide again, values of documents here")
			}
		}
	})
	for _, fn := range recheck {
		f.spawn(fn)
	}
}

// heedCertificate takes the newest certificate of the deployment, which another
// Strait issued or revoked. One that is newer than what stands here is looked at
// again before it counts, as after a new connection; recheck says so. f.mu is held.
func (e *env) heedCertificate(c *plan.Certificate) (recheck bool) {
	old := e.certificate
	switch {
	case c == nil || old != nil && c.Ended.Before(old.Ended):
	case old != nil && c.Ended.Equal(old.Ended):
		if old.Revoked.IsZero() && !c.Revoked.IsZero() {
			e.certificate, e.doubt = c, ""
			e.f.say("warn", e.cfg.Name, "another Strait revoked the certificate: "+c.Why)
		}
	case !c.Revoked.IsZero():
		e.certificate, e.doubt = c, ""
		e.f.say("warn", e.cfg.Name, "another Strait issued a certificate, and revoked it: "+c.Why)
	default:
		e.certificate, e.doubt, e.rechecked = c, "another Strait's certificate is being checked again", false
		e.f.say("info", e.cfg.Name, "another Strait: "+certificateText(c))
		return true
	}
	return false
}

// heedBackup takes the newest backup of the deployment, which another Strait
// took. f.mu is held.
func (e *env) heedBackup(b *plan.Backup) {
	if b == nil || e.backup != nil && !b.At.After(e.backup.At) {
		return
	}
	before := e.backup
	e.backup = nil
	if e.restoreBackup(); e.backup == nil {
		e.backup = before // its file is not there
		return
	}
	e.f.say("info", e.cfg.Name, fmt.Sprintf("another Strait took a backup: %s documents, in %s", thousands(b.Documents), b.File))
}
