package pool

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
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

// Each function, method, type, field, constant and variable has a comment of its own, or is named by the one above it.
func TestEachExportedItemHasAComment(t *testing.T) {
	files := token.NewFileSet()
	packages, err := parser.ParseDir(files, ".", func(file fs.FileInfo) bool {
		return !strings.HasSuffix(file.Name(), "_test.go")
	}, parser.ParseComments)
	check(t, err)
	missing := func(node ast.Node, name string) {
		t.Errorf("%s: %s has no comment that speaks of it", files.Position(node.Pos()), name)
	}
	for _, file := range packages["pool"].Files {
		for _, declaration := range file.Decls {
			switch declared := declaration.(type) {
			case *ast.FuncDecl:
				if declared.Name.IsExported() && isOfExported(declared) && !speaksOf(declared.Doc, declared.Name) {
					missing(declared, declared.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range declared.Specs {
					undescribed(declared, spec, missing)
				}
			}
		}
	}
}

func isOfExported(method *ast.FuncDecl) bool {
	if method.Recv == nil {
		return true
	}
	receiver := method.Recv.List[0].Type
	if pointer, is := receiver.(*ast.StarExpr); is {
		receiver = pointer.X
	}
	name, is := receiver.(*ast.Ident)
	return !is || name.IsExported()
}

func undescribed(group *ast.GenDecl, spec ast.Spec, missing func(ast.Node, string)) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if !spec.Name.IsExported() {
			return
		}
		if !speaksOf(group.Doc, spec.Name) && !speaksOf(spec.Doc, spec.Name) {
			missing(spec, spec.Name.Name)
		}
		if fields, is := spec.Type.(*ast.StructType); is {
			above := (*ast.CommentGroup)(nil)
			for _, field := range fields.Fields.List {
				if field.Doc != nil {
					above = field.Doc
				}
				for _, name := range field.Names {
					if name.IsExported() && !isAlone(field) && !speaksOf(above, name) {
						missing(name, spec.Name.Name+"."+name.Name)
					}
				}
			}
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && !speaksOf(spec.Doc, name) && !speaksOf(group.Doc, name) &&
				!(len(spec.Names) == 1 && spec.Doc != nil) {
				missing(name, name.Name)
			}
		}
	}
}

// isAlone tells whether the field has a comment and is the only one of it.
func isAlone(field *ast.Field) bool { return field.Doc != nil && len(field.Names) == 1 }

func speaksOf(comment *ast.CommentGroup, name *ast.Ident) bool {
	return comment != nil && regexp.MustCompile(`\b`+name.Name+`\b`).MatchString(comment.Text())
}

func TestTheQuickstartRuns(t *testing.T) {
	command := exec.Command("go", "run", "../examples/quickstart")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "MANTISDB_URL="+serverURL(t))
	shown, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(shown), "Ann; active: 1, idle: 9, average wait: 0 ms") {
		t.Errorf("%v: %s", err, shown)
	}
}
