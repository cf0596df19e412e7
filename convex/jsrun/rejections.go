package jsrun

import (
	"errors"
	"reflect"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
	"modernc.org/quickjs"
)

// The engine tells a tracker of every promise that is rejected while nobody
// listens, and of those that somebody listens to later. The wrapper around the
// engine does not offer the tracker, so it is set here beneath the wrapper,
// whose fields are found by name; a test watches that they are.

var errNoTracker = errors.New("the JavaScript engine has changed: its rejection tracker is not where it was")

// engine is the wrapper's inside.
type engine struct {
	tls     *libc.TLS
	runtime uintptr
	context uintptr
}

func inside(vm *quickjs.VM) (e engine, err error) {
	defer func() {
		if recover() != nil {
			err = errNoTracker
		}
	}()
	v := reflect.ValueOf(vm).Elem()
	rt := v.FieldByName("runtime").Elem()
	e.context = uintptr(v.FieldByName("cContext").Uint())
	e.runtime = uintptr(rt.FieldByName("cRuntime").Uint())
	tls := rt.FieldByName("tls")
	if tls.Type() != reflect.TypeFor[*libc.TLS]() || e.context == 0 || e.runtime == 0 {
		return e, errNoTracker
	}
	e.tls = (*libc.TLS)(tls.UnsafePointer())
	return e, nil
}

// used is how many bytes the engine has allocated.
func (e engine) used() uintptr {
	return uintptr((*lib.TJSRuntime)(unsafe.Add(nil, e.runtime)).Fmalloc_ctx.Fmalloc_state.Fmalloc_size)
}

// trackers are the JavaScript functions that take rejections, by runtime.
var trackers sync.Map // uintptr -> lib.TJSValue

func (vm *VM) watchRejections() error {
	e, err := inside(vm.js)
	if err != nil {
		return err
	}
	strait := property(e, lib.XJS_GetGlobalObject(e.tls, e.context), "__strait")
	track := property(e, strait, "rejected")
	if lib.XJS_IsFunction(e.tls, e.context, track) == 0 {
		lib.XFreeValue(e.tls, e.context, track)
		return errNoTracker
	}
	trackers.Store(e.runtime, track)
	lib.XJS_SetHostPromiseRejectionTracker(e.tls, e.runtime, pointerTo(rejectionTracker), 0)
	return nil
}

// property reads object.name and frees object.
func property(e engine, object lib.TJSValue, name string) lib.TJSValue {
	defer lib.XFreeValue(e.tls, e.context, object)
	c, err := libc.CString(name)
	if err != nil {
		return lib.XNewInt32(e.tls, e.context, 0)
	}
	defer libc.Xfree(e.tls, c)
	return lib.XJS_GetPropertyStr(e.tls, e.context, object, c)
}

func (vm *VM) unwatchRejections() {
	e, err := inside(vm.js)
	if err != nil {
		return
	}
	lib.XJS_SetHostPromiseRejectionTracker(e.tls, e.runtime, 0, 0)
	if track, ok := trackers.LoadAndDelete(e.runtime); ok {
		lib.XFreeValue(e.tls, e.context, track.(lib.TJSValue))
	}
}

// rejectionTracker hands a rejection to the runtime's "rejected".
func rejectionTracker(tls *libc.TLS, ctx uintptr, promise, reason lib.TJSValue, handled int32, _ uintptr) {
	track, ok := trackers.Load(uintptr(lib.XJS_GetRuntime(tls, ctx)))
	if !ok {
		return
	}
	var argv [3]lib.TJSValue
	size := unsafe.Sizeof(argv[0])
	p := libc.Xmalloc(tls, libc.Tsize_t(3*size))
	if p == 0 {
		return
	}
	defer libc.Xfree(tls, p)
	args := unsafe.Slice((*lib.TJSValue)(unsafe.Add(nil, p)), 3)
	args[0], args[1], args[2] = promise, reason, lib.XNewInt32(tls, ctx, handled)
	fn := track.(lib.TJSValue)
	this := lib.XJS_GetGlobalObject(tls, ctx)
	lib.XFreeValue(tls, ctx, lib.XJS_Call(tls, ctx, fn, this, 3, p))
	lib.XFreeValue(tls, ctx, this)
}

// pointerTo is the code pointer of a function, as the engine calls it.
func pointerTo(f any) uintptr {
	return (*[2]uintptr)(unsafe.Pointer(&f))[1]
}
