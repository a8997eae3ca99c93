#!/usr/bin/env python3
"""Checks the manifests in this folder without a cluster.

    python3 -m venv .venv && .venv/bin/pip install kubernetes-validate
    .venv/bin/python3 deploy/kubernetes/validate.py [FOLDER]

Holds every manifest against the strict schemas of the Kubernetes versions below, and checks that each kustomization
names the files of its folder, that selectors match labels, and that volumes, keys, paths, ports, hosts and containers
that are named exist. Secrets and ConfigMaps that README.md has its reader make by `kubectl create` count as existing.
Ends with 1 and a line for each mistake.
"""

import pathlib
import re
import sys

try:
    import kubernetes_validate
    import yaml
except ImportError as error:
    sys.exit(f"error: no Python module {error.name}: pip install kubernetes-validate")

# Those that the Kubernetes project supports (https://kubernetes.io/releases), as of November 2026.
VERSIONS = ["1.35", "1.36", "1.37"]

KUSTOMIZATION = "kustomization.yaml"


class Manifests:
    """The objects below a folder, and the mistakes found in them."""

    def __init__(self, folder):
        self.folder = folder
        self.mistakes = []
        # (file, object) pairs.
        self.objects = []
        # Names of keys, by kind and name, of what holds files.
        self.holders = {}

    def mistake(self, file, text):
        self.mistakes.append(f"{file.relative_to(self.folder)}: {text}")

    def of_kind(self, kind):
        return [object for _, object in self.objects if object["kind"] == kind]

    def names(self, kind):
        return {object["metadata"]["name"] for object in self.of_kind(kind)}

    def check(self):
        folders = sorted({file.parent for file in self.folder.rglob("*.yaml")})
        if not folders:
            sys.exit(f"error: {self.folder} has no manifests")
        for folder in folders:
            self.read_kustomization(folder)
        self.read_commands(self.folder / "README.md")
        names = set()
        for file, object in self.objects:
            self.check_schema(file, object)
            name = (object["kind"], object["metadata"]["name"])
            if name in names:
                self.mistake(file, f"a second {' '.join(name)}")
            names.add(name)
        if self.mistakes:
            # What follows takes the form for granted.
            return
        for file, object in self.objects:
            if pod := pod_of(object):
                self.check_pod(file, object, pod)
            if object["kind"] == "Service":
                self.check_service(file, object)
            if object["kind"] == "NetworkPolicy":
                self.check_network_policy(file, object)

    def read(self, file):
        """The YAML documents in a file; none, and a mistake, where it has no such."""
        try:
            return [document for document in yaml.safe_load_all(file.read_text()) if document is not None]
        except (OSError, yaml.YAMLError) as error:
            self.mistake(file, f"cannot be read as YAML: {' '.join(str(error).split())}")
            return []

    def read_kustomization(self, folder):
        """Reads a kustomization and the manifests that it names."""
        file = folder / KUSTOMIZATION
        if not file.exists():
            self.mistake(file, "is missing: it must name the other files of its folder")
            return
        kustomization = (self.read(file) or [{}])[0]
        resources = kustomization.get("resources", [])
        named = set(resources)
        for generator in kustomization.get("configMapGenerator", []):
            keys = [entry.split("=", 1) for entry in generator.get("files", [])]
            named |= {key[-1] for key in keys}
            self.holders["ConfigMap", generator["name"]] = {pathlib.Path(key[0]).name for key in keys}
        present = {path.name for path in folder.glob("*.yaml")} - {KUSTOMIZATION}
        for name in sorted(present - named):
            self.mistake(file, f"does not name {name}: add it under resources, or remove the file")
        for name in sorted(named - present):
            self.mistake(file, f"names {name}, which is not there")
        images = {image["name"] for image in kustomization.get("images", [])}
        for name in resources:
            if name not in present:
                continue
            for object in self.read(folder / name):
                if not isinstance(object, dict) or not {"apiVersion", "kind"} <= object.keys():
                    self.mistake(folder / name, "has a document without apiVersion and kind")
                    continue
                if not (object.get("metadata") or {}).get("name"):
                    self.mistake(folder / name, f"has a {object['kind']} without metadata.name")
                    continue
                self.objects.append((folder / name, object))
                for container in containers_of(pod_of(object) or {}):
                    if container.get("image") not in images:
                        self.mistake(folder / name, f"image {container.get('image')}: {KUSTOMIZATION} gives it no place")
        namespace = kustomization.get("namespace")
        if namespace not in self.names("Namespace"):
            self.mistake(file, f"namespace {namespace}: no manifest makes it")

    def read_commands(self, file):
        """Takes what the commands in README.md make."""
        text = file.read_text().replace("\\\n", " ") if file.exists() else ""
        for kind, name, files in re.findall(r"kubectl create (secret generic|configmap) (\S+)(.*)", text):
            keys = re.findall(r"--from-file=(\S+)", files)
            holder = ("ConfigMap" if kind == "configmap" else "Secret", name)
            self.holders[holder] = {pathlib.Path(key.split("=", 1)[0]).name for key in keys}

    def check_schema(self, file, object):
        known = {kubernetes_validate.utils.major_minor(version) for version in kubernetes_validate.utils.all_versions()}
        for version in VERSIONS:
            if version not in known:
                sys.exit(
                    f"error: kubernetes-validate {kubernetes_validate.utils.__version__} has no schemas of Kubernetes "
                    f"{version}: pip install --upgrade kubernetes-validate, or correct VERSIONS in {__file__}")
            try:
                kubernetes_validate.validate(object, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = ".".join(str(part) for part in error.path)
                self.mistake(file, f"Kubernetes {version}: {place or object['kind']}: {error.message}")
            except kubernetes_validate.SchemaNotFoundError:
                self.mistake(file, f"Kubernetes {version} has no {object['apiVersion']} {object['kind']}")

    def check_pod(self, file, object, pod):
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for name, volume in volumes.items():
            if claim := volume.get("persistentVolumeClaim"):
                if claim["claimName"] not in self.names("PersistentVolumeClaim"):
                    self.mistake(file, f"volume {name}: no PersistentVolumeClaim {claim['claimName']}")
            elif self.holder_of(volume) and self.keys_of(volume) is None:
                self.mistake(
                    file, f"volume {name}: nothing makes the {' '.join(self.holder_of(volume))}: neither a "
                    f"{KUSTOMIZATION} nor a `kubectl create` in README.md")
        containers = containers_of(pod)
        used = {mount["name"] for container in containers for mount in container.get("volumeMounts", [])}
        for name in sorted(volumes.keys() - used):
            self.mistake(file, f"volume {name} is mounted by no container")
        # What a container that runs before leaves in a folder is there.
        written = set()
        for container in containers:
            self.check_container(file, container, volumes, written)
        if object["kind"] != "Job":
            return
        job = object["spec"]
        if job.get("completionMode") == "Indexed" and job.get("completions") != job.get("parallelism"):
            self.mistake(file, "completions and parallelism differ: the number of workers can change only as both")
        for rule in job.get("podFailurePolicy", {}).get("rules", []):
            name = rule.get("onExitCodes", {}).get("containerName")
            if name and name not in {container["name"] for container in containers}:
                self.mistake(file, f"podFailurePolicy: no container {name}")
        labels = labels_of(object)
        for constraint in pod.get("topologySpreadConstraints", []):
            if not matches(constraint.get("labelSelector", {}).get("matchLabels", {}), labels):
                self.mistake(file, "topologySpreadConstraints: labelSelector does not match the pod's own labels")

    def check_container(self, file, container, volumes, written):
        name = container["name"]
        mounts = {}
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                self.mistake(file, f"container {name}: no volume {mount['name']}")
            else:
                mounts[mount["mountPath"]] = volumes[mount["name"]]
        variables = {variable["name"]: variable.get("value", "") for variable in container.get("env", [])}
        words = container.get("command", []) + container.get("args", [])
        paths = [(key, value) for key, value in variables.items()] + [("command", word) for word in words]
        # The last word of a command that copies is what it writes.
        target = words[-1] if words[:1] == ["install"] else None
        for origin, path in paths:
            if not path.startswith("/") or path.startswith("/proc/"):
                continue
            place = next((place for place in mounts if path.startswith(place + "/")), None)
            if place is None:
                self.mistake(file, f"container {name}: {origin}: {path} is in no volume that is mounted")
                continue
            key = path[len(place) + 1:]
            keys = self.keys_of(mounts[place])
            if keys is not None and key not in keys:
                holder = " ".join(self.holder_of(mounts[place]))
                self.mistake(file, f"container {name}: {origin}: {path}: the {holder} has no {key}")
            if "emptyDir" in mounts[place]:
                where = (mounts[place]["name"], key)
                if path == target:
                    written.add(where)
                elif where not in written:
                    self.mistake(file, f"container {name}: {origin}: {path}: no container before it writes that")
        if address := variables.get("LOCKSTEP_CONNECT"):
            self.check_address(file, name, address)
        if bind := variables.get("LOCKSTEP_BIND"):
            if int(bind.rsplit(":", 1)[1]) not in {port["containerPort"] for port in container.get("ports", [])}:
                self.mistake(file, f"container {name}: LOCKSTEP_BIND {bind}: not among its ports")

    def check_address(self, file, container, address):
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        for service in self.of_kind("Service"):
            if service["metadata"]["name"] == host and int(port) in {port["port"] for port in service["spec"]["ports"]}:
                return
        self.mistake(file, f"container {container}: LOCKSTEP_CONNECT {address}: no Service of this name and port")

    def check_service(self, file, service):
        pods = self.pods_with(service["spec"].get("selector", {}))
        if not pods:
            self.mistake(file, f"Service {service['metadata']['name']}: its selector matches no pod's labels")
            return
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            if any(target not in ports_of(pod) for pod in pods):
                self.mistake(file, f"Service {service['metadata']['name']}: its pods have no port {target}")

    def check_network_policy(self, file, policy):
        name = policy["metadata"]["name"]
        own = self.pods_with(policy["spec"].get("podSelector", {}).get("matchLabels", {}))
        if not own:
            self.mistake(file, f"NetworkPolicy {name}: podSelector matches no pod's labels")
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction, []):
                listening = own if direction == "ingress" else []
                for peer in rule.get(peers, []):
                    # Pods of another namespace are not known here.
                    if "namespaceSelector" in peer:
                        continue
                    found = self.pods_with(peer.get("podSelector", {}).get("matchLabels", {}))
                    if not found:
                        self.mistake(file, f"NetworkPolicy {name}: a podSelector of {direction} matches no pod's labels")
                    listening = listening if direction == "ingress" else found
                for port in rule.get("ports", []):
                    if listening and any(port["port"] not in ports_of(pod) for pod in listening):
                        self.mistake(file, f"NetworkPolicy {name}: {direction}: nothing listens on port {port['port']}")

    def pods_with(self, selector):
        pairs = [(pod_of(object), labels_of(object)) for _, object in self.objects if pod_of(object)]
        return [pod for pod, labels in pairs if matches(selector, labels)]

    def holder_of(self, volume):
        """The kind and name of what a volume's files come from, of those that have keys."""
        if "secret" in volume:
            return "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            return "ConfigMap", volume["configMap"]["name"]
        return None

    def keys_of(self, volume):
        return self.holders.get(self.holder_of(volume))


def pod_of(object):
    """The pod that an object is or makes; None where it is no such."""
    spec = object.get("spec") or {}
    return spec if object["kind"] == "Pod" else (spec.get("template") or {}).get("spec")


def labels_of(object):
    holder = object if object["kind"] == "Pod" else object["spec"]["template"]
    return holder.get("metadata", {}).get("labels", {})


def containers_of(pod):
    return (pod.get("initContainers") or []) + (pod.get("containers") or [])


def ports_of(pod):
    """Ports by number and by name."""
    ports = [port for container in containers_of(pod) for port in container.get("ports", [])]
    return {port["containerPort"] for port in ports} | {port.get("name") for port in ports}


def matches(selector, labels):
    return bool(selector) and selector.items() <= labels.items()


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    manifests = Manifests(folder if folder.is_dir() else folder.parent)
    manifests.check()
    for mistake in manifests.mistakes:
        print(f"error: {mistake}", file=sys.stderr)
    if manifests.mistakes:
        sys.exit(1)
    print(f"{len(manifests.objects)} objects are right for Kubernetes {', '.join(VERSIONS)}")


if __name__ == "__main__":
    main()
