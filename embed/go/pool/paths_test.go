package pool

import (
	"net/url"
	"strings"
	"testing"
)

// resolved is a path as a client or proxy that follows the URL standard sends it.
func resolved(path string) string {
	path = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(path)
	path, _, _ = strings.Cut(path, "#")
	path, _, _ = strings.Cut(path, "?")
	given := strings.Split(path, "/")[1:]
	var parts []string
	for place, part := range given {
		switch strings.ReplaceAll(strings.ToLower(part), "%2e", ".") {
		case ".":
		case "..":
			if len(parts) > 0 {
				parts = parts[:len(parts)-1]
			}
		default:
			parts = append(parts, part)
			continue
		}
		if place == len(given)-1 {
			parts = append(parts, "")
		}
	}
	return "/" + strings.Join(parts, "/")
}

// texts are all texts of up to four of these pieces.
func texts() []string {
	pieces := []string{".", "..", "/", "%2e", "%2E", "%", "a", "?", "#", `\`, "\t", "\xff", "ä"}
	all, longest := []string{""}, []string{""}
	for count := 0; count < 4; count++ {
		var longer []string
		for _, text := range longest {
			for _, piece := range pieces {
				longer = append(longer, text+piece)
			}
		}
		all, longest = append(all, longer...), longer
	}
	return all
}

func isSteps(name string) bool { return name == "." || name == ".." }

func TestEveryKeyIsOnePartOfItsPath(t *testing.T) {
	if found := resolved("/api/v1/kv/a/%2E%2E/.%2e/plugins/p?x"); found != "/api/v1/plugins/p" {
		t.Fatal(found)
	}
	for _, key := range texts() {
		for _, bucket := range []string{DefaultBucket, "words", "..", "."} {
			path, isPath := keyPath(bucket, key)
			if !isPath {
				if !isSteps(key) {
					t.Errorf("%q has no path", key)
				}
				continue
			}
			own := strings.TrimPrefix(path, bucketPath(bucket)+"/")
			found, err := url.PathUnescape(own)
			if resolved(path) != path || own == path || strings.Contains(own, "/") || err != nil || found != key {
				t.Fatalf("%q in %q: %s", key, bucket, path)
			}
		}
	}
}

func TestEveryNameIsOnePartOfItsPath(t *testing.T) {
	for _, name := range texts() {
		path, err := rowsPath(name, nil)
		check(t, err)
		for _, path := range []string{schemaPath(name), path, bucketPath(name)} {
			if resolved(path) != path {
				t.Fatalf("%q: %s", name, path)
			}
		}
		if path, err := rowsPath("t", []any{name}); err == nil && resolved(path) != path || err != nil && !isSteps(name) {
			t.Fatalf("%q: %s, %v", name, path, err)
		}
	}
}
