// Only marks the folder: Go is told to read VERSION.mod in its stead, of the version of Argo that it builds with.
module magnus-render/argo-lint

go 1.25.0
