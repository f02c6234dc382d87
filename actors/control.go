package actors

// controlJob is any change that is not an append: it runs on the writer,
// between the jobs before and after it.
type controlJob struct {
	errand
	do func(*writer) error
	// sync asks for a durable answer, whatever the bus's durability is.
	sync bool
	err  error
}

func (j *controlJob) weight() weight { return weight{} }

func (j *controlJob) run(w *writer) {
	if j.err = j.do(w); j.err != nil {
		j.err = w.refuse(j.err)
		return
	}
	w.mustSync = w.mustSync || j.sync
}

func (j *controlJob) finish(err error) {
	if err != nil {
		j.err = err
	}
}

// control runs do on the writer and waits for its answer. Errors: what do
// returned, [messages.FailedError].
func (e *Engine) control(sync bool, do func(*writer) error) error {
	j := &controlJob{do: do, sync: sync}
	if err := e.post(j); err != nil {
		return err
	}
	<-j.answered
	return j.err
}
