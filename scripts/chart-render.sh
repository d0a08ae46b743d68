#!/usr/bin/env bash
# chart-render.sh [DIR [HELM ARGS...]]: renders the chart into DIR (k8s/), for kubectl apply.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=scripts/chart-tools.sh
. scripts/chart-tools.sh
fetch_helm

dir=${1:-k8s}
shift || true
mkdir -p "$dir"

# render FILE HELM ARGS...: what helm says, less the marks of a release, which this is not.
render() {
  local file=$1
  shift
  {
    # shellcheck disable=SC2016 # a command's name
    echo '# Rendered from helm/paymesh by `make chart`: change the chart, not this.'
    "$helm" template paymesh helm/paymesh --namespace paymesh --kube-version "$oldest_kubernetes" \
      --values helm/k8s-values.yaml --no-hooks "$@"
  } | sed -e 's/managed-by: Helm$/managed-by: kubectl/' -e '/^ *helm\.sh\/chart: /d' >"$dir/$file"
}

render 1-migrate.yaml "$@" --show-only templates/migrate.yaml
render 2-paymesh.yaml "$@" --set migrate.enabled=false
