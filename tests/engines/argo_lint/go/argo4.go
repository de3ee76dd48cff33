//go:build argo4

package main

import (
	"context"
	"io"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	"github.com/argoproj/argo-workflows/v4/util/logging"
	"github.com/argoproj/argo-workflows/v4/workflow/common"
	"github.com/argoproj/argo-workflows/v4/workflow/validate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type (
	workflowTemplate        = wfv1.WorkflowTemplate
	clusterWorkflowTemplate = wfv1.ClusterWorkflowTemplate
)

// silent holds the logger that Argo asks for.
var silent = logging.WithLogger(context.Background(), logging.NewSlogLoggerCustom(logging.Error, logging.Text, io.Discard))

func (t templates) Get(_ context.Context, name string) (*workflowTemplate, error) {
	return t.named(name)
}

func (c clusters) Get(_ context.Context, name string) (*clusterWorkflowTemplate, error) {
	return c.named(name)
}

func parseObjects(text string) []common.ParseResult {
	return common.ParseObjects(silent, []byte(text), true)
}

// validate says the first thing that `argo lint` has against an object. It may change the object.
func (k known) validate(value metav1.Object) error {
	lint := validate.ValidateOpts{Lint: true}
	switch value := value.(type) {
	case *wfv1.Workflow:
		return validate.ValidateWorkflow(silent, k.templates, k.clusters, value, nil, lint)
	case *wfv1.WorkflowTemplate:
		return validate.ValidateWorkflowTemplate(silent, k.templates, k.clusters, value, nil, lint)
	case *wfv1.ClusterWorkflowTemplate:
		return validate.ValidateClusterWorkflowTemplate(silent, k.templates, k.clusters, value, nil, lint)
	case *wfv1.CronWorkflow:
		return validate.ValidateCronWorkflow(silent, k.templates, k.clusters, value, nil)
	}
	return cannot(value)
}
