// Command kstatus reads Kubernetes objects as JSON from standard input and prints what the kstatus library
// (which Flux, Helm 4 and kubectl-based tools wait by) makes of each: InProgress, Current, Failed or Terminating.
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
		var text json.RawMessage
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&text)
		if err == nil {
			// Not json.Unmarshal, which makes a float64 of metadata.generation; kstatus wants an int64.
			err = object.UnmarshalJSON(text)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "kstatus: standard input is not a Kubernetes object as JSON: %v\n", err)
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
