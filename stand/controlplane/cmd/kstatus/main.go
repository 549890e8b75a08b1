// Command kstatus reads one Kubernetes object as JSON from standard input and prints what the kstatus library
// (which Flux, Helm 4 and kubectl-based tools wait by) makes of it: InProgress, Current, Failed or Terminating.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	decoder := json.NewDecoder(os.Stdin)
	for decoder.More() {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); err != nil {
			fmt.Fprintf(os.Stderr, "kstatus: standard input is not a JSON object: %v\n", err)
			os.Exit(2)
		}
		result, err := status.Compute(object)
		if err != nil {
			fmt.Fprintf(os.Stderr, "kstatus: %v\n", err)
			os.Exit(1)
		}
		fmt.Printf("%s\t%s\n", result.Status, result.Message)
	}
}
