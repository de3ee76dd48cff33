package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	apiservervalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	limits "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// crd is what an API server makes of a CRD in order to check objects. Those of Argo 4 have rules in CEL, those of Argo 3 none.
type crd struct {
	structural *schema.Structural
	values     apiservervalidation.SchemaValidator
	rules      *cel.Validator
	namespaced bool
}

// crds are the CRDs of a folder, read when the first object of their kind comes: they are megabytes.
type crds struct {
	folder string
	loaded map[string]*crd
}

func (c *crds) of(kind string) (*crd, error) {
	if found, ok := c.loaded[kind]; ok {
		return found, nil
	}
	text, err := os.ReadFile(filepath.Join(c.folder, "argoproj.io_"+strings.ToLower(kind)+"s.yaml"))
	if err != nil {
		return nil, err
	}
	var external apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &external); err != nil {
		return nil, err
	}
	var definition apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&external, &definition, nil); err != nil {
		return nil, err
	}
	validation, err := apiextensions.GetSchemaForVersion(&definition, "v1alpha1")
	if err != nil {
		return nil, err
	}
	if validation == nil {
		return nil, fmt.Errorf("the CRD of %s has no schema", kind)
	}
	structural, err := schema.NewStructural(validation.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	values, _, err := apiservervalidation.NewSchemaValidator(validation.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	loaded := &crd{
		structural: structural,
		values:     values,
		rules:      cel.NewValidator(structural, true, limits.PerCallLimit),
		namespaced: definition.Spec.Scope == apiextensions.NamespaceScoped,
	}
	c.loaded[kind] = loaded
	return loaded, nil
}

// validate says why an API server would refuse an object that a client asks it to create with strict field validation.
func (c *crds) validate(object unstructured.Unstructured) ([]string, error) {
	crd, err := c.of(object.GetKind())
	if err != nil {
		return nil, err
	}
	created := object.DeepCopy()
	if crd.namespaced && created.GetNamespace() == "" {
		created.SetNamespace("default")
	}
	if created.GetName() == "" && created.GetGenerateName() != "" {
		created.SetName(created.GetGenerateName() + "xxxxx")
	}
	complaints := []string{}
	options := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	refusal, unknown := objectmeta.CoerceWithOptions(nil, created.Object, crd.structural, true, objectmeta.CoerceOptions{ReturnUnknownFieldPaths: true})
	if refusal != nil {
		return []string{"crd: " + refusal.Error()}, nil
	}
	unknown = append(unknown, pruning.PruneWithOptions(created.Object, crd.structural, true, options)...)
	slices.Sort(unknown)
	for _, path := range unknown {
		complaints = append(complaints, fmt.Sprintf("crd: unknown field %q", path))
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(created.Object, crd.structural)
	defaulting.Default(created.Object, crd.structural)

	refused := validation.ValidateObjectMetaAccessor(created, crd.namespaced, validation.NameIsDNSSubdomain, field.NewPath("metadata"))
	refused = append(refused, objectmeta.Validate(nil, created.Object, crd.structural, true)...)
	refused = append(refused, apiservervalidation.ValidateCustomResource(nil, created.Object, crd.values)...)
	refused = append(refused, listtype.ValidateListSetsAndMaps(nil, crd.structural, created.Object)...)
	if crd.rules != nil {
		broken, _ := crd.rules.Validate(context.Background(), nil, crd.structural, created.Object, nil, limits.RuntimeCELCostBudget)
		refused = append(refused, broken...)
	}
	for _, each := range refused {
		complaints = append(complaints, "crd: "+each.Error())
	}
	return complaints, nil
}
