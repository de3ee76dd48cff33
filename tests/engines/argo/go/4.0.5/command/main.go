// Argo's command line, unchanged: this module only pins what it is built from.
package main

import (
	"os"

	"github.com/argoproj/argo-workflows/v4/cmd/argo/commands"
)

func main() {
	if commands.NewCommand().Execute() != nil {
		os.Exit(1)
	}
}
