package pool

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// ServerForExamples is the server of the tests, for the examples, which are in a package of their own.
func ServerForExamples() string { return serverURL(new(testing.B)) }

// The documentation of the package is its interface: a change of testdata/api.txt is one that users see. MANTISDB_BLESS=1
// writes it.
func TestTheInterfaceIsTheGoldenOne(t *testing.T) {
	const golden = "testdata/api.txt"
	shown, err := exec.Command("go", "doc", "-all", ".").Output()
	check(t, err)
	if os.Getenv("MANTISDB_BLESS") != "" {
		check(t, os.WriteFile(golden, shown, 0o644))
	}
	known, err := os.ReadFile(golden)
	check(t, err)
	if !bytes.Equal(shown, known) {
		t.Errorf("go doc -all shows another interface than %s", golden)
	}
}

func TestTheQuickstartRuns(t *testing.T) {
	command := exec.Command("go", "run", "../examples/quickstart")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "MANTISDB_URL="+serverURL(t))
	shown, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(shown), "Ann; active: 1, idle: 9, average wait: 0 ms") {
		t.Errorf("%v: %s", err, shown)
	}
}
