package connmgr

import (
	"runtime"
	"weak"
)

// ended is a one-shot request that failed. Its owner may still have it, and then
// Remove must turn it ConnCanceled, as in btcd; but it is kept by nobody else.
type ended struct {
	req     weak.Pointer[ConnReq]
	cleanup runtime.Cleanup
}

// remember keeps a request that failed within reach of its id, as long as its
// owner has it. The lock must be held.
func (cm *ConnManager) remember(c *ConnReq) {
	id := c.ID()
	cm.ended[id] = ended{
		req: weak.Make(c),
		cleanup: runtime.AddCleanup(c, func(id uint64) {
			cm.mu.Lock()
			delete(cm.ended, id)
			cm.mu.Unlock()
		}, id),
	}
}

// recall undoes remember, and returns the request; nil if there is none. The
// lock must be held.
func (cm *ConnManager) recall(id uint64) *ConnReq {
	e, ok := cm.ended[id]
	if !ok {
		return nil
	}
	delete(cm.ended, id)
	e.cleanup.Stop()
	return e.req.Value()
}
