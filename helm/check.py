"""Where the chart and the binary must agree, and what holds across all manifests.

check.py MANIFESTS...: rendered YAML files. The last line has the counts.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm/paymesh"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# Tables whose keys are an operator's own, or whose tables are written in one line.
OPEN = ("pay_gateway.swiftpass.keys", "mesh.rates.callers", "mesh.rates.others", "mesh.callers")
# Callers that run outside of the chart.
OUTSIDE = {"client", "operator"}
# All that a Certificate's spec may have (cert-manager.io/v1).
CERTIFICATE = set("""additionalOutputFormats commonName dnsNames duration emailAddresses encodeUsagesInRequest
    ipAddresses isCA issuerRef keystores literalSubject nameConstraints otherNames privateKey renewBefore
    renewBeforePercentage revisionHistoryLimit secretName secretTemplate signatureAlgorithm subject uris usages""".split())


def table(name):
    """The data that a template of _roles.tpl defines."""
    text = (CHART / "templates/_roles.tpl").read_text()
    found = re.search(r'define "paymesh\.%s" -}}\n(.*?){{- end' % name, text, re.S)
    return yaml.safe_load(found[1])


ROLES, TASKS = table("roles"), table("tasks")


def kebab(name):
    return re.sub(r"(?<=[a-z])([A-Z])", r"-\1", name).lower()


def protos():
    """Each gRPC service's full name, with the callers its methods allow."""
    services = {}
    for file in (ROOT / "proto").rglob("*.proto"):
        text = file.read_text()
        package = re.search(r"^package ([\w.]+);", text, re.M)[1]
        for name, body in re.findall(r"^service (\w+) {(.*?)^}", text, re.M | re.S):
            callers = re.findall(r"callers: \[(.*?)\]", body, re.S)
            services[f"{package}.{name}"] = set(re.findall(r'"(.+?)"', " ".join(callers)))
    return services


def methods():
    """The full names of all gRPC methods, and of their services."""
    names = {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
    for file in (ROOT / "proto").rglob("*.proto"):
        text = file.read_text()
        package = re.search(r"^package ([\w.]+);", text, re.M)[1]
        for name, body in re.findall(r"^service (\w+) {(.*?)^}", text, re.M | re.S):
            service = f"{package}.{name}"
            names |= {service} | {f"{service}/{method}" for method in re.findall(r"rpc (\w+)\(", body)}
    return names


def example():
    """Every setting in config/example.toml, commented out or not, as section.key."""
    section, settings = "", set()
    for line in (ROOT / "config/example.toml").read_text().splitlines():
        if found := re.match(r"(?:# )?\[{1,2}([\w.]+)\]{1,2}$", line):
            section = found[1] + "."
        elif found := re.match(r"(?:# )?(\w+|\"[^\"]+\") = ", line):
            settings.add(closed(section + found[1]))
    return settings


def closed(name):
    return next((table for table in OPEN if f"{name}.".startswith(f"{table}.")), name)


def known_to_schema(node, path=""):
    node = SCHEMA["definitions"][node["$ref"].split("/")[-1]] if "$ref" in node else node
    if node.get("type") != "object" or path in OPEN:
        return {path}
    inner = node["properties"].items()
    return set().union(*(known_to_schema(child, f"{path}.{key}".lstrip(".")) for key, child in inner))


def settings(values, path=""):
    if not isinstance(values, dict) or path in OPEN:
        return {path}
    return set().union(*(settings(value, f"{path}.{key}".lstrip(".")) for key, value in values.items()))


def the_tasks_are_the_binarys(_):
    text = (ROOT / "crates/paymesh/src/task.rs").read_text()
    there = re.findall(r'name: "([\w-]+)",\s*owner: Service::(\w+)', text)
    there = {name: kebab(owner) for name, owner in there}
    if there != TASKS:
        yield f"the binary has {there}, _roles.tpl {TASKS}"
    if set(VALUES["tasks"]["schedules"]) != set(TASKS):
        yield "tasks.schedules names others"


def the_chart_has_the_binarys_version(_):
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    if cargo != chart:
        yield f"Cargo.toml has {cargo}, Chart.yaml {chart}"


def readiness_asks_for_what_is_served(_):
    there = protos()
    for name, role in ROLES.items():
        if role.get("health") and role["health"] not in there:
            yield f"{name}: no .proto has {role['health']}"


def the_schema_has_every_setting_and_no_other(_):
    # Addresses, files and the drain are the chart's own; what only development builds have is not deployed.
    own = re.compile(r"(listen|peers|sandbox|mesh\.tls)\.|mesh\.(policy|faults)$|drain$|.*\.url(_file)?$")
    wanted = {name for name in example() if not own.match(name)}
    there = known_to_schema(SCHEMA["definitions"]["config"])
    for name in sorted(wanted - there):
        yield f"values.schema.json lacks config.{name}, which config/example.toml has"
    for name in sorted(there - wanted):
        yield f"values.schema.json has config.{name}, which config/example.toml lacks"


def calls_go_round_in_no_circle(_):
    def walk(name, path):
        if name in path:
            yield " -> ".join([*path, name])
            return
        for callee in VALUES["calls"].get(name, []):
            yield from walk(callee, [*path, name])

    # A channel calls back what a payment began; that is no call of ours.
    for name in VALUES["calls"].keys() - {"channel"}:
        yield from walk(name, [])


def calls_are_those_the_protos_allow(_):
    services = protos()
    allowed = {(caller, callee) for callee, role in ROLES.items() if role.get("health")
               for caller in services[role["health"]]}
    feed = services["paymesh.feed.v1.FeedService"]
    allowed |= {(caller, "pay-gateway") for caller in feed} | {("task", owner) for owner in TASKS.values()}
    made = {(ROLES.get(caller, {}).get("service", caller), callee)
            for caller, callees in VALUES["calls"].items() if caller != "test"
            for callee in callees if "channel" not in (caller, callee)}
    for caller, callee in sorted(made - allowed):
        yield f"calls: {caller} -> {callee}, which no .proto allows"
    for caller, callee in sorted(allowed - made):
        yield f"calls lacks {caller} -> {callee}, which a .proto allows"


def every_role_reaches_what_its_service_dials(_):
    # A role opens its service whole, with all its clients; without an address they dial the loopback.
    for name, role in ROLES.items():
        calls = VALUES["calls"]
        lacks = set(calls.get(role["service"], [])) - set(calls.get(name, [])) - {"channel"}
        if lacks:
            yield f"calls: {name} lacks {sorted(lacks)}, which {role['service']} dials"


def every_caller_has_a_certificate(_):
    callers = set().union(*protos().values()) - OUTSIDE
    servers = {role["service"] for role in ROLES.values()}
    there = set(VALUES["mesh"]["tls"]["existingSecrets"])
    if there != callers | servers | {"test"}:
        yield f"mesh.tls.existingSecrets has {there}, callers and servers are {callers | servers}"


def configs(objects):
    """(ConfigMap, its TOML) of every process."""
    for it in objects:
        if it["kind"] == "ConfigMap" and "paymesh.toml" in it["data"]:
            yield it, tomllib.loads(it["data"]["paymesh.toml"])


def workloads(objects):
    """(object, pod's labels, pod's spec) of all that runs pods."""
    for it in objects:
        match it["kind"]:
            case "Deployment" | "Job":
                template = it["spec"]["template"]
            case "CronJob":
                template = it["spec"]["jobTemplate"]["spec"]["template"]
            case "Pod":
                template = it
            case _:
                continue
        yield it, template["metadata"]["labels"], template["spec"]


def label(it):
    return f"{it['kind']} {it['metadata']['name']}"


def the_binary_knows_every_setting(objects):
    there = example()
    for it, config in configs(objects):
        for name in settings(config):
            if name not in there:
                yield f"{label(it)}: {name}"
    for it, _, pod in workloads(objects):
        for variable in (env["name"] for container in pod["containers"] for env in container.get("env", [])):
            name = variable.lower().removeprefix("paymesh__").replace("__", ".")
            if variable not in ("PAYMESH_CONFIG", "RUST_BACKTRACE") and closed(name) not in there:
                yield f"{label(it)}: {variable}"


def overrides_are_about_methods_that_exist(objects):
    there = methods()
    for it, config in configs(objects):
        for name in config["mesh"].get("callers", {}).keys() - there:
            yield f"{label(it)}: {name}"
    for it in objects:
        if it["kind"] == "ConfigMap" and "policy.json" in it["data"]:
            for entry in json.loads(it["data"]["policy.json"]).get("methodConfig", []):
                for name in ("/".join(filter(None, map(name.get, ("service", "method")))) for name in entry["name"]):
                    if name not in there:
                        yield f"{label(it)}: {name}"


def every_pod_is_restricted(objects):
    watch = {it["metadata"]["name"] for it, config in configs(objects) if "kubernetes:///" in str(config)}
    for it, _, pod in workloads(objects):
        watches = it["kind"] == "Deployment" and it["metadata"]["name"] in watch
        if pod.get("automountServiceAccountToken") is not watches or pod.get("enableServiceLinks") is not False:
            yield f"{label(it)}: a token it does not need, or none and it does; or service links"
        if not pod["securityContext"]["runAsNonRoot"]:
            yield f"{label(it)}: may be root"
        if pod["securityContext"]["seccompProfile"] != {"type": "RuntimeDefault"}:
            yield f"{label(it)}: seccomp"
        for container in pod["containers"]:
            wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            if container["securityContext"] != wanted or not container.get("resources"):
                yield f"{label(it)}: {container['name']}'s security or resources"


def what_is_mounted_is_there(objects):
    maps = {it["metadata"]["name"] for it in objects if it["kind"] == "ConfigMap"}
    for it, _, pod in workloads(objects):
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        mounted = {mount["name"] for container in pod["containers"] for mount in container.get("volumeMounts", [])}
        if mounted != set(volumes):
            yield f"{label(it)}: mounts {mounted}, has {set(volumes)}"
        if "subPath" in json.dumps(pod):
            yield f"{label(it)}: a subPath, which follows no change"
        for volume in volumes.values():
            if "configMap" in volume and volume["configMap"]["name"] not in maps:
                yield f"{label(it)}: no ConfigMap {volume['configMap']['name']}"


def who_holds_which_secret(objects):
    for it, labels, pod in workloads(objects):
        component = labels["app.kubernetes.io/component"]
        held = {v["secret"]["secretName"] for v in pod.get("volumes", []) if "secret" in v}
        held |= {s["secret"]["name"] for v in pod.get("volumes", []) for s in v.get("projected", {}).get("sources", [])}
        service = ROLES.get(component, {}).get("service")
        if component in ("task", "test"):
            allowed = {f"paymesh-{component}-tls"}
        elif component == "migrate":
            allowed = {VALUES["secrets"]["migrations"][pod["containers"][0]["args"][1]]["name"]}
        else:
            allowed = {VALUES["secrets"]["databases"][service]["name"], "paymesh-redis"}
            allowed |= {f"paymesh-{service}-tls", f"{service}-certificate"}
            allowed |= {"swiftpass-keys", "swiftpass-rsa"} if service == "pay-gateway" else set()
        if not held <= allowed or any("valueFrom" in e for c in pod["containers"] for e in c.get("env", [])):
            yield f"{label(it)} holds {held - allowed}"


def certificates_prove_who_holds_them(objects):
    wanted = {}
    for it, config in configs(objects):
        service = ROLES[it["metadata"]["labels"]["app.kubernetes.io/component"]]["service"]
        if "tls" in config["mesh"]:
            wanted[service] = f"spiffe://{config['mesh']['tls']['trust_domain']}/{service}"
    held = {}
    for it, labels, pod in workloads(objects):
        component = labels["app.kubernetes.io/component"]
        for volume in pod.get("volumes", []):
            if volume["name"] == "tls":
                held[volume["secret"]["secretName"]] = ROLES.get(component, {}).get("service", component)
    for it in objects:
        if it["kind"] == "Certificate":
            spec = it["spec"]
            if it["apiVersion"] != "cert-manager.io/v1" or spec.keys() - CERTIFICATE:
                yield f"{label(it)}: not as cert-manager knows it"
            service = held.get(spec["secretName"])
            if service in wanted and spec["uris"] != [wanted[service]]:
                yield f"{label(it)}: {spec['uris']} is held by {service}"
            held.pop(spec["secretName"], None)
    if held and any(it["kind"] == "Certificate" for it in objects):
        yield f"no Certificate fills {set(held)}"


def selectors_find_their_pods(objects):
    pods = [(labels, pod) for _, labels, pod in workloads(objects)]
    for it in objects:
        spec = it.get("spec", {})
        match it["kind"]:
            case "Service":
                wanted, ports = spec["selector"], {port["targetPort"] for port in spec["ports"]}
            case "Deployment" | "PodDisruptionBudget":
                wanted, ports = spec["selector"]["matchLabels"], set()
            case _:
                continue
        found = [pod for labels, pod in pods if wanted.items() <= labels.items()]
        if len(found) != 1:
            yield f"{label(it)} finds {len(found)} kinds of pods"
        elif not ports <= {port["name"] for port in found[0]["containers"][0]["ports"]}:
            yield f"{label(it)}: ports {ports}"


def peers_are_services_of_the_release(objects):
    names = {it["metadata"]["name"] for it in objects if it["kind"] == "Service"}
    for it, config in configs(objects):
        for address in config.get("peers", {}).values():
            if address.removeprefix("kubernetes:///").split(":")[0].removesuffix(".paymesh") not in names:
                yield f"{label(it)}: {address}"
    for it, _, pod in workloads(objects):
        for container in pod["containers"]:
            args = container["args"]
            address = args[args.index("--address") + 1] if "--address" in args else ""
            if address and address.split(":")[0] not in names:
                yield f"{label(it)}: {address}"


def nothing_is_secret(objects):
    for it in objects:
        if it["kind"] == "Secret" or re.search(r"://[^/\s]*:[^/\s]*@|BEGIN .*PRIVATE", json.dumps(it)):
            yield label(it)


def names_are_short_enough(objects):
    most = {"CronJob": 52, "Service": 63, "Job": 63}
    for it in objects:
        if len(it["metadata"]["name"]) > most.get(it["kind"], 253):
            yield label(it)


SOURCE = [
    the_tasks_are_the_binarys,
    the_chart_has_the_binarys_version,
    readiness_asks_for_what_is_served,
    the_schema_has_every_setting_and_no_other,
    calls_go_round_in_no_circle,
    calls_are_those_the_protos_allow,
    every_role_reaches_what_its_service_dials,
    every_caller_has_a_certificate,
]
RENDERED = [
    the_binary_knows_every_setting,
    overrides_are_about_methods_that_exist,
    every_pod_is_restricted,
    what_is_mounted_is_there,
    who_holds_which_secret,
    certificates_prove_who_holds_them,
    selectors_find_their_pods,
    peers_are_services_of_the_release,
    nothing_is_secret,
    names_are_short_enough,
]


def main(files):
    meshes = {}
    for file in map(Path, files):
        # k8s/ is several files, and one mesh.
        name = "k8s" if file.parent.name == "k8s" else file.name
        objects = [it for it in yaml.safe_load_all(file.read_text()) if it]
        meshes.setdefault(name, []).extend(objects)
    runs = [(check, "", None) for check in SOURCE]
    runs += [(check, name, objects) for check in RENDERED for name, objects in meshes.items()]
    failed = 0
    for check, name, objects in runs:
        wrong = list(check(objects))
        failed += bool(wrong)
        for what in wrong:
            print(f"FAILED: {check.__name__} {name}: {what}")
    print(f"checks: {len(runs) - failed} passed, {failed} failed")
    return failed > 0


sys.exit(main(sys.argv[1:]))
