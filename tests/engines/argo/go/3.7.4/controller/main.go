// Argo's workflow controller, unchanged: what its own command does, except that it listens on no
// fixed port of every address (its command serves :6060), so that several can run beside each other.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"github.com/argoproj/argo-workflows/v3/pkg/client/clientset/versioned"
	"github.com/argoproj/argo-workflows/v3/util/cmd"
	"github.com/argoproj/argo-workflows/v3/workflow/common"
	"github.com/argoproj/argo-workflows/v3/workflow/controller"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "file that says how the API server is reached")
	namespace := flag.String("namespace", "argo", "namespace of the controller's config map")
	workers := flag.Int("workflow-workers", 32, "number of workflow workers")
	logLevel := flag.String("loglevel", "info", "one of: debug, info, warn, error")
	flag.Parse()

	cmd.SetLogLevel(*logLevel)
	cmd.SetLogFormatter("text")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		panic(err)
	}
	// A rate limit of the client would be what a test waits for.
	config.QPS, config.Burst = 10000, 10000

	argo, err := controller.NewWorkflowController(
		ctx, config, kubernetes.NewForConfigOrDie(config), versioned.NewForConfigOrDie(config),
		*namespace, "", "argoexec", "IfNotPresent", "text", common.ConfigMapName, false,
	)
	if err != nil {
		panic(err)
	}
	go argo.Run(ctx, *workers, 4, 4, 8, 8)
	<-ctx.Done()
}
