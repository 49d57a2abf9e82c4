module github.com/mantisdb/mantisdb/benches/embed/go

go 1.19

require github.com/mantisdb/mantisdb/embed/go v0.0.0

replace github.com/mantisdb/mantisdb/embed/go => ../../../embed/go
