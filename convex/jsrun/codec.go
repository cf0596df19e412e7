package jsrun

import "github.com/evanw/esbuild/pkg/api"

func loadCodec(build api.PluginBuild) {}
