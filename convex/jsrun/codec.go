package jsrun

import (
	_ "embed"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// fastCodec is appended to the npm package's value.js: it answers the values
// that most documents hold and leaves the rest to the original.
//
//go:embed codec.js
var fastCodec string

// codecFile matches the module of the npm package "convex" that turns values
// into JSON and back.
const codecFile = `[/\\]convex[/\\](dist[/\\](esm|cjs)|src)[/\\]values[/\\]value\.(js|ts)$`

// codecNames are the functions that the fast codec takes the place of; the
// original of each goes on under the name that codec.js calls.
var codecNames = map[string]string{
	"export function jsonToConvex(": "function originalJsonToConvex(",
	"export function convexToJson(": "function originalConvexToJson(",
}

// loadCodec puts the fast codec in place as the package is bundled; its files
// stay as they are. A version that does not have the two functions as expected
// is bundled unchanged.
func loadCodec(build api.PluginBuild) {
	build.OnLoad(api.OnLoadOptions{Filter: codecFile}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		text, err := readSource(a.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		fast, ok := spliceCodec(text)
		if !ok {
			return api.OnLoadResult{}, nil
		}
		loader := api.LoaderJS
		if filepath.Ext(a.Path) == ".ts" {
			loader = api.LoaderTS
		}
		return api.OnLoadResult{Contents: &fast, Loader: loader, ResolveDir: filepath.Dir(a.Path)}, nil
	})
}

func spliceCodec(text string) (string, bool) {
	for from, to := range codecNames {
		if strings.Count(text, from) != 1 {
			return "", false
		}
		text = strings.Replace(text, from, to, 1)
	}
	if !strings.Contains(text, "const MIN_INT64") {
		return "", false
	}
	return text + "\n" + fastCodec, true
}
