package jsrun

import (
	"fmt"
	"regexp"
	"strings"
)

// The codec splice (splice.go) in pushed modules. They are minified, but the
// CLI leaves two things to go by: a comment above every file, and the name of
// every function. The splice is appended, so that no line of the module moves.
var (
	pushedFile  = regexp.MustCompile(`(?m)^// \S+\.[cm]?[jt]sx?$`)
	pushedCodec = regexp.MustCompile(`^// \S*node_modules/convex/(?:dist/esm|src)/values/value\.[jt]s$`)
	keptName    = regexp.MustCompile(`(?m)^[\w$]+\(([\w$]+), "(jsonToConvex|convexToJson|patchValueToJson)"\);$`)
)

// splicedCodec is what to append to a pushed module for every copy of the
// package's codec in it; "" when there is none, or none as expected.
func splicedCodec(text string) string {
	if !strings.Contains(text, "values/value.") {
		return ""
	}
	var out strings.Builder
	files := pushedFile.FindAllStringIndex(text, -1)
	for i, at := range files {
		if !pushedCodec.MatchString(text[at[0]:at[1]]) {
			continue
		}
		end := len(text)
		if i+1 < len(files) {
			end = files[i+1][0]
		}
		out.WriteString(spliceCodec(text[at[1]:end]))
	}
	return out.String()
}

func spliceCodec(file string) string {
	names := map[string]string{} // in the package -> minified
	for _, kept := range keptName.FindAllStringSubmatch(file, -1) {
		if _, twice := names[kept[2]]; twice || strings.Count(file, "\nfunction "+kept[1]+"(") != 1 {
			return ""
		}
		names[kept[2]] = kept[1]
	}
	codec, err := spliceFiles.ReadFile("splices/codec.js")
	if len(names) != 3 || err != nil {
		return ""
	}
	return fmt.Sprintf(`(() => {
const originalJsonToConvex = %[1]s, originalConvexToJson = %[2]s, originalPatchValueToJson = %[3]s;
%[4]s
%[1]s = jsonToConvex; %[2]s = convexToJson; %[3]s = patchValueToJson;
})();
`, names["jsonToConvex"], names["convexToJson"], names["patchValueToJson"], strings.ReplaceAll(string(codec), "export function ", "function "))
}
