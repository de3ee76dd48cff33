package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const apiVersion = "argoproj.io/v1alpha1"

// object is one document of a file. Its value is missing if it cannot be read as one of Argo's kinds.
type object struct {
	file   string
	raw    unstructured.Unstructured
	value  metav1.Object
	errors []string
}

// split cuts a file at its document separators. Documents with nothing in them are left out.
func split(text string) ([]string, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	documents := []string{}
	for {
		document, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		var content any
		if err := yaml.Unmarshal(document, &content); err != nil {
			return nil, err
		}
		if content != nil {
			documents = append(documents, string(document))
		}
	}
	if len(documents) == 0 {
		return nil, errors.New("there is no object in it")
	}
	return documents, nil
}

// parse reads one document strictly: unknown fields and keys given twice are errors.
func parse(file, text string) object {
	parsed := object{file: file, errors: []string{}}
	if err := yaml.Unmarshal([]byte(text), &parsed.raw.Object); err != nil {
		parsed.errors = append(parsed.errors, "parse: "+err.Error())
		return parsed
	}
	if !isKnown(parsed.raw.GetKind()) {
		parsed.errors = append(parsed.errors, fmt.Sprintf("parse: %q is no kind of a workflow", parsed.raw.GetKind()))
		return parsed
	}
	if version := parsed.raw.GetAPIVersion(); version != apiVersion {
		parsed.errors = append(parsed.errors, fmt.Sprintf("parse: apiVersion is %q, not %q", version, apiVersion))
	}
	// Argo itself passes over an object with a key given twice, without a word.
	if _, err := yaml.YAMLToJSONStrict([]byte(text)); err != nil {
		parsed.errors = append(parsed.errors, "parse: "+err.Error())
		return parsed
	}
	results := parseObjects(text)
	if len(results) != 1 {
		parsed.errors = append(parsed.errors, fmt.Sprintf("parse: Argo reads %d objects in it, not 1", len(results)))
		return parsed
	}
	if err := results[0].Err; err == nil {
		parsed.value = results[0].Object
	} else if strict, ok := runtime.AsStrictDecodingError(err); ok {
		parsed.value = results[0].Object
		for _, each := range strict.Errors() {
			parsed.errors = append(parsed.errors, "parse: "+each.Error())
		}
	} else {
		parsed.errors = append(parsed.errors, "parse: "+err.Error())
	}
	return parsed
}

func isKnown(kind string) bool {
	switch kind {
	case "Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow":
		return true
	}
	return false
}

// known holds the templates that others can refer to, by name.
type known struct {
	templates templates
	clusters  clusters
}

type templates map[string]*workflowTemplate

func (t templates) named(name string) (*workflowTemplate, error) {
	if template, ok := t[name]; ok {
		return template, nil
	}
	return nil, fmt.Errorf("couldn't find workflow template %q", name)
}

type clusters map[string]*clusterWorkflowTemplate

func (c clusters) named(name string) (*clusterWorkflowTemplate, error) {
	if template, ok := c[name]; ok {
		return template, nil
	}
	return nil, fmt.Errorf("couldn't find cluster workflow template %q", name)
}

// collect finds what can be referred to, and says of each object whether another one has its kind and name.
func collect(objects []object) (known, [][]string) {
	found := known{templates{}, clusters{}}
	complaints := make([][]string, len(objects))
	seen := map[string]string{}
	for i, object := range objects {
		switch value := object.value.(type) {
		case *workflowTemplate:
			found.templates[value.Name] = value
		case *clusterWorkflowTemplate:
			found.clusters[value.Name] = value
		}
		if name := object.raw.GetName(); name != "" {
			id := object.raw.GetKind() + " " + name
			if other, ok := seen[id]; ok {
				complaints[i] = []string{fmt.Sprintf("lint: %s is in %s too", id, other)}
			}
			seen[id] = object.file
		}
	}
	return found, complaints
}

func cannot(value metav1.Object) error {
	return fmt.Errorf("%T cannot be linted", value)
}
