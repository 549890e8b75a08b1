// Command verdicts says what those who wait for resources make of them: Argo CD by its health.lua, Flux by its health check
// expressions, and the kstatus library, by which Helm 4 and kubectl-based tools wait.
//
//	verdicts objects CUSTOMIZATIONS FLUX   objects as JSON from standard input; a line of JSON for each
//	verdicts act CUSTOMIZATIONS ACTION     what an action of Argo CD does to the object on standard input, as JSON
//	verdicts upstream CUSTOMIZATIONS       Argo CD's own tests of a folder laid out like its resource_customizations
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	fluxcel "github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

// What becomes of one object.
type verdicts struct {
	Argo    health `json:"argo"`
	Flux    string `json:"flux"`
	Kstatus string `json:"kstatus"`
}

func main() {
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == "objects":
		err = objects(os.Args[2], os.Args[3])
	case len(os.Args) == 4 && os.Args[1] == "act":
		err = act(os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == "upstream":
		err = upstream(os.Args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: verdicts objects CUSTOMIZATIONS FLUX | verdicts act CUSTOMIZATIONS ACTION | verdicts upstream CUSTOMIZATIONS")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "verdicts: %v\n", err)
		os.Exit(1)
	}
}

func objects(customizations, flux string) error {
	evaluators, err := readFlux(flux)
	if err != nil {
		return err
	}
	decoder, encoder := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for decoder.More() {
		var text json.RawMessage
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&text); err != nil {
			return fmt.Errorf("standard input is not JSON: %w", err)
		}
		// Not json.Unmarshal, which makes a float64 of metadata.generation; kstatus wants an int64.
		if err := object.UnmarshalJSON(text); err != nil {
			return fmt.Errorf("standard input is not a Kubernetes object: %w", err)
		}
		var said verdicts
		if said.Argo, err = argoHealth(customizations, object); err != nil {
			return err
		}
		result, err := status.Compute(object)
		if err != nil {
			return err
		}
		said.Kstatus = result.Status.String()
		// Flux takes an expression of the kind before one of the whole group, and kstatus where there is none.
		said.Flux = said.Kstatus
		for _, key := range []string{object.GetKind(), ""} {
			if evaluator, has := evaluators[key]; has {
				result, err := evaluator.Evaluate(context.Background(), object)
				if err != nil {
					return fmt.Errorf("Flux: %w", err)
				}
				said.Flux = result.Status.String()
				break
			}
		}
		if err := encoder.Encode(said); err != nil {
			return err
		}
	}
	return nil
}

// The expressions of a Kustomization of Flux, by kind; the empty kind is the whole group.
func readFlux(file string) (map[string]*fluxcel.StatusEvaluator, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var kustomization struct {
		Spec struct {
			HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &kustomization); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	evaluators := map[string]*fluxcel.StatusEvaluator{}
	for _, check := range kustomization.Spec.HealthCheckExprs {
		evaluator, err := fluxcel.NewStatusEvaluator(&check.HealthCheckExpressions)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		evaluators[check.Kind] = evaluator
	}
	return evaluators, nil
}
