"""What the tests of the charts share: the two Helms, the folders, what a chart renders to."""

import os
import pathlib
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
CI = CHARTS / "mizuumi" / "ci"
HELMS = ("helm3", "helm4")
# Without a cluster, a Helm that is built from its module takes some old Kubernetes for the one it renders for.
FOR = ("--kube-version", "1.36")


def run(*command, given=None, **environment):
    """Runs a program; answers its exit code and all that it said."""
    environment = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    done = subprocess.run([str(word) for word in command], input=given, text=True, capture_output=True, env=environment, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr


def must(*command, **more):
    """The output of a program that has to go well."""
    code, out, err = run(*command, **more)
    if code != 0:
        raise AssertionError(f"{' '.join(str(word) for word in command)} ended with {code}:\n{out}{err}")
    return out


def values_file(values):
    """A file with values, which goes with the process."""
    file = tempfile.NamedTemporaryFile("w", suffix=".yaml", prefix="values-")
    yaml.safe_dump(values, file)
    file.flush()
    return file


def template(helm, chart, *more, release="mizuumi", namespace="mizuumi-system"):
    """What a chart renders to, as text."""
    return must(helm, "template", release, CHARTS / chart, "--namespace", namespace, *FOR, *more)


def documents(text):
    """The objects of a text of YAML."""
    return [document for document in yaml.safe_load_all(text) if document]


def known_versions():
    """The values that the chart's own folder has, by name."""
    return sorted(CI.glob("*.yaml"))


def definitions():
    """Has the custom resources be there, by their chart."""
    must("helm3", "upgrade", "--install", "mizuumi-crds", CHARTS / "mizuumi-crds", "--namespace", "mizuumi-system", "--create-namespace", "--take-ownership", "--wait")
