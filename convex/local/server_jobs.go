package local

import "net/http"

// cancelJob serves POST /api/cancel_job (convex-wire.md 2.6).
func (d *Deployment) cancelJob(w http.ResponseWriter, r *http.Request) {
	if err := d.cancelNamed(r); err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, nil)
}

func (d *Deployment) cancelNamed(r *http.Request) error {
	if _, err := d.requireAdmin(r); err != nil {
		return err
	}
	var body struct {
		ID          string  `json:"id"`
		ComponentID *string `json:"componentId"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	component, err := d.componentOf(body.ComponentID)
	if err != nil {
		return err
	}
	if err := d.CancelJob(component, body.ID); err != nil {
		return badRequest("InvalidArgument", "%v", err)
	}
	return nil
}
