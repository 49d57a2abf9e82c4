module github.com/mantisdb/mantisdb/embed/go

go 1.19
