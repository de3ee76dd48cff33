// What `argo lint --offline --strict` says of manifests, and what an API server with Argo's full CRDs would refuse.
//
// Usage: argo-lint CRD-FOLDER
//
// Answers requests on standard input until that ends: a line {"file name": "its text", ...} is answered by a line with
// the list of what there is to say of each object.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

// finding is one object, as it was read, and what is wrong with it.
type finding struct {
	File   string         `json:"file"`
	Object map[string]any `json:"object"`
	Errors []string       `json:"errors"`
}

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: %s CRD-FOLDER", os.Args[0]))
	}
	crds := &crds{folder: os.Args[1], loaded: map[string]*crd{}}
	requests := bufio.NewReader(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for {
		line, err := requests.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return
		}
		if err != nil {
			fail(err)
		}
		var documents map[string]string
		if err := json.Unmarshal(line, &documents); err != nil {
			fail(err)
		}
		findings, err := check(documents, crds)
		if err != nil {
			fail(err)
		}
		if err := answers.Encode(findings); err != nil {
			fail(err)
		}
	}
}

// check looks at all documents together, so that a templateRef may name an object of any of them.
func check(documents map[string]string, crds *crds) ([]finding, error) {
	findings := []finding{}
	objects := []object{}
	for _, file := range slices.Sorted(maps.Keys(documents)) {
		texts, err := split(documents[file])
		if err != nil {
			findings = append(findings, finding{file, nil, []string{"parse: " + err.Error()}})
			continue
		}
		for _, text := range texts {
			objects = append(objects, parse(file, text))
		}
	}
	known, complaints := collect(objects)
	for i, object := range objects {
		found := append(object.errors, complaints[i]...)
		if object.value != nil {
			if err := known.validate(object.value); err != nil {
				found = append(found, "lint: "+err.Error())
			}
		}
		if isKnown(object.raw.GetKind()) {
			refused, err := crds.validate(object.raw)
			if err != nil {
				return nil, err
			}
			found = append(found, refused...)
		}
		findings = append(findings, finding{object.file, object.raw.Object, found})
	}
	return findings, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
