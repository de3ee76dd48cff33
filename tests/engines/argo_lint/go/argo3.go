//go:build argo3

package main

import (
	"context"
	"io"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v3/workflow/common"
	"github.com/argoproj/argo-workflows/v3/workflow/validate"
	"github.com/sirupsen/logrus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type (
	workflowTemplate        = wfv1.WorkflowTemplate
	clusterWorkflowTemplate = wfv1.ClusterWorkflowTemplate
)

func init() {
	logrus.SetOutput(io.Discard)
}

func (t templates) Get(name string) (*workflowTemplate, error) {
	return t.named(name)
}

func (c clusters) Get(name string) (*clusterWorkflowTemplate, error) {
	return c.named(name)
}

func parseObjects(text string) []common.ParseResult {
	return common.ParseObjects([]byte(text), true)
}

// validate says the first thing that `argo lint` has against an object. It may change the object.
func (k known) validate(value metav1.Object) error {
	lint := validate.ValidateOpts{Lint: true}
	switch value := value.(type) {
	case *wfv1.Workflow:
		return validate.ValidateWorkflow(k.templates, k.clusters, value, nil, lint)
	case *wfv1.WorkflowTemplate:
		return validate.ValidateWorkflowTemplate(k.templates, k.clusters, value, nil, lint)
	case *wfv1.ClusterWorkflowTemplate:
		return validate.ValidateClusterWorkflowTemplate(k.templates, k.clusters, value, nil, lint)
	case *wfv1.CronWorkflow:
		return validate.ValidateCronWorkflow(context.Background(), k.templates, k.clusters, value, nil)
	}
	return cannot(value)
}
