package jsrun

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"

	"modernc.org/quickjs/intl"
)

var digests = map[string]func() hash.Hash{
	"SHA-1": sha1.New, "SHA-256": sha256.New, "SHA-384": sha512.New384, "SHA-512": sha512.New,
}

// hostDigest answers crypto.subtle.digest and HMAC: (algorithm, data, key,
// keyed) -> hash, bytes as hex; nil for an unknown algorithm.
func hostDigest(args []any) (any, error) {
	a := texts(args, 3)
	make, known := digests[a[0]]
	if !known {
		return nil, nil
	}
	data, err := hex.DecodeString(a[1])
	if err != nil {
		return nil, nil
	}
	h := make()
	if keyed, _ := args[3].(bool); keyed {
		key, err := hex.DecodeString(a[2])
		if err != nil {
			return nil, nil
		}
		h = hmac.New(make, key)
	}
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hostIntl sets up Intl.
func (vm *VM) hostIntl([]any) (any, error) {
	return nil, intl.Register(vm.js, intl.TimeZone("UTC"))
}
