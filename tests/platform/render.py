"""What the charts render to, by both Helms: compared with what was looked at once, refused where values are wrong, taken by the
real API server, and the configuration by the controller's own reader.

    python render.py              on a stand (KUBECONFIG), with helm3, helm4, kubectl and mizuumi in the PATH
    UPDATE=1 python render.py     writes golden/ and the README anew
"""

import copy
import json
import os
import re
import tempfile
import unittest

import yaml

import panels
import readme
from charts import CHARTS, CI, FOR, HELMS, ROOT, documents, known_versions, must, run, template, values_file

GOLDEN = ROOT / "tests" / "platform" / "golden"
UPDATE = "UPDATE" in os.environ
LEAST = yaml.safe_load((CI / "team-a.yaml").read_text())

# What is wrong with values, and what both Helms have to say of it: both write paths differently, so only the words.
REFUSED = {
    "a misspelt key": ({"watchNamespace": ["team-a"]}, "additional properties 'watchNamespace' not allowed"),
    "a misspelt key of the configuration": ({"config": {"intervals": {"sweepSecond": 5}}}, "'sweepSecond' not allowed"),
    "a misspelt key of a profile": ({"config": {"profiles": {"default": {"roleArns": "x"}}}}, "'roleArns' not allowed"),
    "namespaces in two places": ({"config": {"kubernetes": {"namespaces": ["kube-system"]}}}, "/config/kubernetes/namespaces"),
    "shards in two places": ({"config": {"kubernetes": {"shards": 2}}}, "/config/kubernetes/shards"),
    "no controller": ({"shards": 0}, "minimum: got 0, want 1"),
    "more shards than anybody needs": ({"shards": 17}, "maximum: got 17, want 16"),
    "no namespaces": ({"watchNamespaces": []}, "name at least one namespace to watch"),
    "all and some namespaces": ({"watchAllNamespaces": True}, "exclude each other"),
    "the release's own namespace": ({"watchNamespaces": ["team-a", "mizuumi-system"]}, "is the namespace of this release"),
    "a namespace that cannot be": ({"watchNamespaces": ["Team_A"]}, "does not match pattern"),
    "a prefix that is a whole world": ({"config": {"allow": {"s3Prefixes": ["s3://"]}}}, "does not match pattern"),
    "an interval of nothing": ({"config": {"intervals": {"sweepSeconds": 0}}}, "minimum: got 0, want 1"),
    "a number as text": ({"config": {"rates": {"gluePerSecond": "5"}}}, "got string, want integer"),
    "more pods than anybody needs": ({"replicas": 4}, "maximum: got 4, want 3"),
    "pods that do not agree": ({"replicas": 2, "leaderElection": {"enabled": False}}, "set leaderElection.enabled"),
    "a role that is none": ({"serviceAccount": {"roleArn": "lake-writer"}}, "does not match pattern"),
    "a text where there should be a switch": ({"networkPolicy": {"enabled": "no"}}, "got string, want boolean"),
    "alerts on what nobody scrapes": ({"prometheusRule": {"enabled": True}}, "set serviceMonitor.enabled too"),
}


def laid_over(under, over):
    """Values over others, as Helm lays them."""
    result = copy.deepcopy(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = laid_over(result[key], value) if both else value
    return result


class Charts(unittest.TestCase):
    maxDiff = None

    def test_each_chart_renders_to_what_was_looked_at(self):
        cases = {f"mizuumi-{file.stem}": ("mizuumi", ["--values", file]) for file in known_versions()}
        cases["mizuumi-crds"] = ("mizuumi-crds", ["--show-only", "templates/roles.yaml"])
        self.assertEqual({f"{name}.yaml" for name in cases}, {file.name for file in GOLDEN.glob("*")} | {f"{name}.yaml" for name in cases if UPDATE})
        for name, (chart, more) in cases.items():
            for helm in HELMS:
                with self.subTest(name, helm=helm):
                    text = template(helm, chart, *more)
                    file = GOLDEN / f"{name}.yaml"
                    if UPDATE and helm == HELMS[-1]:
                        file.parent.mkdir(exist_ok=True)
                        file.write_text(text)
                    if not UPDATE:
                        self.assertEqual(documents(text), documents(file.read_text()), "refresh it with UPDATE=1, and read it")

    def test_lint_finds_nothing(self):
        for helm in HELMS:
            for file in known_versions():
                must(helm, "lint", "--strict", "--quiet", CHARTS / "mizuumi", "--values", file, "--namespace", "mizuumi-system", *FOR)
            must(helm, "lint", "--strict", "--quiet", CHARTS / "mizuumi-crds", *FOR)

    def test_wrong_values_are_refused_with_what_is_wrong(self):
        for what, (wrong, said) in REFUSED.items():
            for helm in HELMS:
                with self.subTest(what, helm=helm), values_file(laid_over(LEAST, wrong)) as file:
                    code, out, err = run(helm, "template", "mizuumi", CHARTS / "mizuumi", "--namespace", "mizuumi-system", "--values", file.name, *FOR)
                    self.assertNotEqual(code, 0, f"it was taken:\n{out}")
                    self.assertIn(said, err)
        code, _, err = run(HELMS[-1], "template", "mizuumi", CHARTS / "mizuumi")
        self.assertNotEqual(code, 0)
        self.assertIn("missing properties 'installation', 'aws', 'allow'", err)

    def test_the_definitions_are_those_of_the_types(self):
        there = {document["metadata"]["name"]: document for document in documents(template("helm4", "mizuumi-crds", "--show-only", "templates/crds.yaml"))}
        ours = [yaml.safe_load(file.read_text()) for file in (ROOT / "crds").glob("*.yaml")]
        self.assertEqual(set(there), {crd["metadata"]["name"] for crd in ours})
        for crd in ours:
            rendered = there[crd["metadata"]["name"]]
            self.assertEqual(rendered["metadata"].pop("annotations"), {"helm.sh/resource-policy": "keep"})
            rendered["metadata"].pop("labels")
            self.assertEqual(rendered, crd)

    def test_a_packaged_chart_has_the_definitions_too(self):
        with tempfile.TemporaryDirectory() as folder:
            must("helm4", "package", CHARTS / "mizuumi-crds", "--destination", folder)
            [package] = os.listdir(folder)
            self.assertEqual(
                documents(must("helm4", "template", "x", os.path.join(folder, package), *FOR)), documents(template("helm4", "mizuumi-crds", release="x"))
            )

    def test_the_controller_takes_the_configuration(self):
        for file in known_versions():
            with self.subTest(file.stem):
                [config] = documents(template("helm4", "mizuumi", "--values", file, "--show-only", "templates/configmap.yaml"))
                with tempfile.NamedTemporaryFile("w", suffix=".yaml") as written:
                    written.write(config["data"]["mizuumi.yaml"])
                    written.flush()
                    must("mizuumi", "iam-policy", "--config", written.name)
                said, wanted = yaml.safe_load(config["data"]["mizuumi.yaml"]), yaml.safe_load(file.read_text())
                self.assertEqual(said.pop("kubernetes")["namespaces"], wanted.get("watchNamespaces", []))
                wanted["config"].pop("kubernetes", None)
                self.assertEqual(said, wanted["config"])

    def test_everything_that_can_be_said_is_said_once(self):
        """A key that `ci/everything.yaml` does not have is one that no test renders."""
        schema = json.loads((CHARTS / "mizuumi" / "values.schema.json").read_text())
        values = yaml.safe_load((CI / "everything.yaml").read_text())
        elsewhere = {"global", "watchAllNamespaces", "rbac", "serviceAccount.create", "config.aws.endpointUrl",
                     "config.kubernetes.namespaces", "config.kubernetes.shards", "networkPolicy.enabled"}
        missing = []

        def look(schema, value, path):
            schema = {**resolved(schema), **({"properties": {**resolved(schema).get("properties", {})}})}
            for name, part in schema["properties"].items():
                here = f"{path}.{name}".lstrip(".")
                if here in elsewhere:
                    continue
                if name not in value:
                    missing.append(here)
                elif isinstance(value[name], dict):
                    inner = resolved(part)
                    if isinstance(inner.get("additionalProperties"), dict) and "$ref" in inner["additionalProperties"]:
                        entries = {}
                        for entry in value[name].values():
                            entries.update(entry)
                        look(inner["additionalProperties"], entries, here)
                    else:
                        look(inner, value[name], here)

        def resolved(part):
            for choice in part.get("anyOf", []):
                if "$ref" in choice:
                    return resolved(choice)
            return schema["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part

        look(schema, values, "")
        self.assertEqual(missing, [])

    def test_roles_name_what_the_controller_does_and_no_more(self):
        """The list itself, so that a new right is a change that somebody reads."""
        objects = documents(template("helm4", "mizuumi", "--values", CI / "team-a.yaml", "--show-only", "templates/rbac.yaml"))
        rules = [rule for role in objects if role["kind"].endswith("Role") for rule in role["rules"]]
        rights = {(group, resource, verb) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]}
        self.assertFalse([right for right in rights if "*" in right], "nothing by a star")
        self.assertFalse([right for right in rights if right[1] in ("secrets", "pods", "serviceaccounts", "roles", "rolebindings")])
        self.assertNotIn("emrclusterclasses", [right[1] for right in rights])
        self.assertNotIn(("mizuumi.dev", "datatables", "delete"), rights)
        bound = [role for role in objects if role["kind"] == "ClusterRoleBinding"]
        self.assertEqual([binding["roleRef"]["name"] for binding in bound], ["mizuumi-reader"])

    def test_each_alert_has_its_page(self):
        page = (ROOT / "docs" / "src" / "alerts.md").read_text()
        headings = {line[3:].strip().lower() for line in page.splitlines() if line.startswith("## ")}
        [rule] = documents(template("helm4", "mizuumi", "--values", CI / "everything.yaml", "--show-only", "templates/prometheusrule.yaml"))
        alerts = {entry["alert"]: entry for entry in rule["spec"]["groups"][0]["rules"]}
        self.assertEqual({name.lower() for name in alerts}, {heading for heading in headings if heading.startswith("mizuumi")})
        for name, alert in alerts.items():
            self.assertEqual(alert["annotations"]["runbook_url"], f"https://wiki.example/mizuumi#{name.lower()}")
            self.assertRegex(alert["annotations"]["summary"], "^Mizuumi team-b: ")
            self.assertEqual(alert["labels"]["team"], "data-platform")

    def test_no_panel_of_a_dashboard_lies_over_another(self):
        for file in (CHARTS / "mizuumi" / "files" / "dashboards").glob("*.json"):
            self.assertEqual(list(panels.overlaps(json.loads(file.read_text()))), [], file.name)

    def test_the_image_is_that_of_the_dockerfile_and_its_flags_are_known(self):
        dockerfile = (ROOT / "Dockerfile").read_text()
        stages = re.findall(r"^FROM (\S+)", dockerfile, re.M)
        toolchain = re.search(r'channel = "([0-9.]+)"', (ROOT / "rust-toolchain.toml").read_text()).group(1)
        self.assertTrue(stages[0].startswith(f"rust:{'.'.join(toolchain.split('.')[:2])}"), f"{stages[0]} is not Rust {toolchain}")
        self.assertIn("distroless", stages[-1])
        self.assertIn("USER 65532:65532", dockerfile)
        [deployment] = documents(template("helm4", "mizuumi", "--values", CI / "team-a.yaml", "--show-only", "templates/deployment.yaml"))
        pod = deployment["spec"]["template"]["spec"]
        self.assertEqual(pod["securityContext"]["runAsUser"], 65532)
        known = must("mizuumi", "controller", "--help")
        for flag in pod["containers"][0]["args"][1:]:
            self.assertIn(flag.split("=")[0], known)

    def test_the_api_server_takes_all_of_it(self):
        operator = json.loads(must("go", "mod", "download", "-json", "github.com/prometheus-operator/prometheus-operator@v0.85.0"))["Dir"]
        for kind in ("servicemonitors", "prometheusrules"):
            file = f"{operator}/example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml"
            must("kubectl", "apply", "--server-side", "--filename", file)
            must("kubectl", "wait", "--for=condition=Established", f"crd/{kind}.monitoring.coreos.com")
        for file in known_versions():
            with self.subTest(file.stem):
                text = template("helm4", "mizuumi", "--values", file)
                objects = documents(text)
                for namespace in {document["metadata"].get("namespace") for document in objects} - {None}:
                    run("kubectl", "create", "namespace", namespace)
                must("kubectl", "apply", "--dry-run=server", "--validate=strict", "--filename", "-", given=text)
        must("kubectl", "apply", "--dry-run=server", "--server-side", "--force-conflicts", "--validate=strict", "--filename", "-", given=template("helm4", "mizuumi-crds"))

    def test_the_readme_is_that_of_the_values(self):
        for chart in ("mizuumi", "mizuumi-crds"):
            file, wanted = CHARTS / chart / "README.md", readme.of(chart)
            if UPDATE:
                file.write_text(wanted)
            self.assertEqual(file.read_text(), wanted, "refresh it with UPDATE=1")


if __name__ == "__main__":
    unittest.main(verbosity=1)
