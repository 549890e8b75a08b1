"""The stand's API server and AWS endpoint, and a stand-in for the one part of Kubernetes that the stand lacks: a kubelet, which runs the
chart's pods as local processes under the pod's own account."""

import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import yaml

# How much faster than in AWS clusters of EMR live: as in all tests, whoever says it last.
SPEED = 180


class Api:
    """The API server, as one account."""

    def __init__(self, token=None):
        config = yaml.safe_load(pathlib.Path(os.environ["KUBECONFIG"]).read_text())
        cluster = config["clusters"][0]["cluster"]
        self.server, self.cluster = cluster["server"], cluster
        self.token = token or config["users"][0]["user"]["token"]
        self.context = ssl.create_default_context(cafile=cluster.get("certificate-authority"))
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context))

    def ask(self, method, path, body=None, kind="application/json"):
        """The code of the answer, and what it says."""
        request = urllib.request.Request(self.server + path, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", kind)
        try:
            with self.opener.open(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def must(self, method, path, body=None, kind="application/json"):
        """What is answered to what has to go well."""
        code, answer = self.ask(method, path, body, kind)
        assert code < 300, f"{method} {path}: {code} {answer.get('message')}"
        return answer

    def merge(self, path, body):
        """Lays something over an object."""
        return self.must("PATCH", path, body, "application/merge-patch+json")

    def as_account(self, namespace, name):
        """The same as a ServiceAccount, by a token that is asked for as a kubelet asks for a pod's."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        asked = self.must("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}})
        return Api(asked["status"]["token"])

    def kubeconfig(self, file):
        """This account's kubeconfig."""
        file.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "x", "cluster": self.cluster}], "users": [{"name": "x", "user": {"token": self.token}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        }))
        return file


def until(what, look, seconds=60):
    """Looks until it is so; answers what the look did."""
    end = time.monotonic() + seconds
    while True:
        try:
            return look()
        except AssertionError as error:
            if time.monotonic() > end:
                raise AssertionError(f"{what}, not within {seconds} s: {error}") from error
        time.sleep(0.1)


def endpoint(what, account, body=None, method="POST"):
    """Tells the local AWS endpoint something."""
    url = f"{os.environ['AWS_ENDPOINT_URL']}/_localaws/{what}?account={account}"
    request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).read()


def quick_clusters(account):
    """Has clusters of EMR live as fast as in all tests."""
    steps = [{"name": "broken", "fails": True}, {"name": "quick", "seconds": 1}, {"name": "slow", "seconds": 100_000}]
    endpoint("emr", account, {"speed": SPEED, "steps": steps})


class Kubelet:
    """Runs the pods that bear the label of this run, until it is stopped."""

    def __init__(self, api, folder, label, variables, programs=None):
        """`programs`: which program an image has, where it is not the one in the PATH."""
        self.api, self.folder, self.label, self.variables = api, folder, label, variables
        self.programs = programs or {}
        self.pods, self.stopped = {}, threading.Event()
        self.failed = None
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def stop(self):
        """Ends everything that runs."""
        self.stopped.set()
        self.thread.join()
        for pod in self.pods.values():
            for process in pod.processes:
                process.kill()
                process.wait()

    def work(self):
        while not self.stopped.wait(0.1):
            try:
                pods = self.api.must("GET", f"/api/v1/pods?labelSelector={self.label}")["items"]
            except (AssertionError, OSError):
                continue
            for pod in pods:
                uid = pod["metadata"]["uid"]
                try:
                    if uid not in self.pods:
                        self.pods[uid] = Pod(self, pod)
                    self.pods[uid].look(pod)
                except Exception as error:  # noqa: BLE001 - told by the test that waits for the pod
                    self.failed = error


class Pod:
    """A pod: a process for each container."""

    def __init__(self, kubelet, pod):
        self.kubelet, self.path = kubelet, f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        self.folder = kubelet.folder / pod["metadata"]["uid"]
        self.folder.mkdir()
        self.processes, self.is_ready, self.is_over, self.codes = [], False, False, None
        metadata, spec = pod["metadata"], pod["spec"]
        self.name = metadata["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": "stand"}
        kubelet.api.must("POST", f"{self.path}/binding", {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]}, "target": target})
        account = kubelet.api.as_account(metadata["namespace"], spec.get("serviceAccountName", "default"))
        kubeconfig = account.kubeconfig(self.folder / "kubeconfig")
        mounts = {}
        for volume in spec.get("volumes", []):
            place = self.folder / volume["name"]
            place.mkdir()
            config = kubelet.api.must("GET", f"/api/v1/namespaces/{metadata['namespace']}/configmaps/{volume['configMap']['name']}")
            for name, text in config["data"].items():
                (place / name).write_text(text)
            mounts[volume["name"]] = place
        for container in spec["containers"]:
            self.processes.append(self.begin(container, mounts, kubeconfig))

    def begin(self, container, mounts, kubeconfig):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        arguments = []
        for argument in container["args"]:
            for mount in container.get("volumeMounts", []):
                argument = argument.replace(mount["mountPath"], str(mounts[mount["name"]]))
            if argument.startswith("--metrics-listen="):
                argument = f"--metrics-listen=127.0.0.1:{self.port}"
            arguments.append(argument)
        environment = {**os.environ, **self.kubelet.variables, "KUBECONFIG": str(kubeconfig), "HOME": "/nowhere", "HOSTNAME": self.name}
        environment.update({one["name"]: one.get("value", "") for one in container.get("env", [])})
        self.image = container["image"]
        program = self.kubelet.programs.get(self.image, shutil.which("mizuumi"))
        with open(self.folder / f"{container['name']}.log", "w") as log:
            return subprocess.Popen([program, *arguments], env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def look(self, pod):
        codes = [process.poll() for process in self.processes]
        if pod["metadata"].get("deletionTimestamp"):
            for process in self.processes:
                process.terminate()
            if None not in codes:
                self.codes = codes
                self.kubelet.api.ask("DELETE", self.path, {"gracePeriodSeconds": 0})
        elif self.is_over:
            pass
        elif None not in codes:
            self.tell("Failed" if any(codes) else "Succeeded", pod, False, codes)
            self.is_over = True
        elif not self.is_ready and self.answers("/readyz"):
            self.is_ready = True
            self.tell("Running", pod, True, codes)

    def answers(self, path):
        return self.ask(path) is not None

    def ask(self, path):
        """What the process answers by HTTP, if it is well."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def tell(self, phase, pod, ready, codes):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        conditions = [{"type": kind, "status": str(ready), "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")]
        statuses = []
        for container, code in zip(pod["spec"]["containers"], codes):
            state = {"running": {"startedAt": now}} if code is None else {"terminated": {"exitCode": code, "startedAt": now, "finishedAt": now}}
            statuses.append({"name": container["name"], "image": container["image"], "imageID": "", "ready": ready, "restartCount": 0, "started": ready, "state": state})
        self.kubelet.api.merge(f"{self.path}/status", {"status": {"phase": phase, "startTime": now, "conditions": conditions, "containerStatuses": statuses}})

    def log(self):
        """All that its processes said."""
        return "".join(file.read_text() for file in sorted(self.folder.glob("*.log")))
