#!/usr/bin/env bash
# Tests the chart and the Dockerfile: lint, what the schema refuses, rendered manifests against Kubernetes'
# own schemas, unit tests of the templates, what must agree with the binary, that k8s/ is what the chart
# renders, and that the images can be built of what is there. The last line has the counts.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=scripts/chart-tools.sh
. scripts/chart-tools.sh
fetch_helm
fetch_unittest
fetch_python
fetch_hadolint

chart=helm/paymesh
work=$(mktemp -d)
# helm-unittest leaves an empty folder.
trap 'rm -rf "$work"; rmdir "$chart/tests/__snapshot__" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
passed=0
failed=0

# check WHAT COMMAND...: passes when the command does; its words are shown when not.
check() {
  local what=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'FAILED: %s\n' "$what"
    cat "$work/log"
  fi
}

# part NAME COMMAND...: a program with counts of its own ("3 passed", "1 failed").
part() {
  local name=$1 status=0 good bad
  shift
  "$@" >"$work/log" 2>&1 || status=$?
  good=$(sed -n 's/^\(Tests\|checks\):.* \([0-9]*\) passed.*/\2/p' "$work/log")
  bad=$(sed -n 's/^\(Tests\|checks\):.* \([0-9]*\) failed.*/\2/p' "$work/log")
  [ "$status" -eq 0 ] || { cat "$work/log"; [ "${bad:-0}" -gt 0 ] || bad=1; }
  passed=$((passed + ${good:-0}))
  failed=$((failed + ${bad:-0}))
  printf '%-12s %s passed, %s failed\n' "$name" "${good:-0}" "${bad:-0}"
}

# summed NAME: what was checked since the last one.
summed() {
  printf '%-12s %s passed, %s failed\n' "$1" "$((passed - ${seen:-0}))" "$((failed - ${missed:-0}))"
  seen=$passed
  missed=$failed
}

template() {
  "$helm" template paymesh "$chart" --namespace paymesh --kube-version "$newest_kubernetes" "$@"
}

# refused WORDS HELM ARGS...: helm must fail, and say so.
refused() {
  local words=$1
  shift
  check "refused: $*" refuses "$words" "$@"
}

refuses() {
  local words=$1
  shift
  if template "$@" >/dev/null 2>"$work/said"; then
    echo "it was not refused"
    return 1
  fi
  cat "$work/said"
  grep -qF -- "$words" "$work/said"
}

render() { template --values "$1" >"$2"; }

rendered=()
for values in "$chart"/ci/*.yaml helm/k8s-values.yaml; do
  check "lint $values" "$helm" lint --strict --quiet --kube-version "$oldest_kubernetes" --values "$values" "$chart"
done
check "lint Dockerfile" "$hadolint" Dockerfile
summed lint

minimal=(--values "$chart/ci/minimal-values.yaml" --set)
refused 'set config.pay_gateway.callback_url'
refused "'nope' not allowed" "${minimal[@]}" nope=1
refused "'replica' not allowed" "${minimal[@]}" components.trade.replica=3
refused 'want integer' "${minimal[@]}" defaults.replicas=two
refused "'cash' not allowed" "${minimal[@]}" components.cash.replicas=1
refused "'pay_limits' not allowed" "${minimal[@]}" config.trade.pay_limits=1h
refused '/config/trade/pay_limit' "${minimal[@]}" config.trade.pay_limit=often
refused "'url' not allowed" "${minimal[@]}" config.trade.database.url=mysql://u:p@h/d
refused "'value' not allowed" "${minimal[@]}" config.pay_gateway.swiftpass.keys.main.value=k
refused 'PAYMESH__TRADE__DATABASE__URL' "${minimal[@]}" env.PAYMESH__TRADE__DATABASE__URL=mysql://u:p@h/d
refused "'PATH' not allowed" "${minimal[@]}" env.PATH=/
refused '/calls/trade/0' "${minimal[@]}" 'calls.trade={mars}'
refused 'calls.task must name' "${minimal[@]}" 'calls.task={trade}'
refused '/tasks/schedules/remedy/schedule' "${minimal[@]}" tasks.schedules.remedy.schedule=often
refused 'startingDeadlineSeconds' "${minimal[@]}" tasks.defaults.startingDeadlineSeconds=5
refused '/image/digest' "${minimal[@]}" image.digest=latest
refused '/mesh/discovery' "${minimal[@]}" mesh.discovery=consul
refused "'retries' not allowed" "${minimal[@]}" mesh.policy.retries=3
refused '/mesh/policy/methodConfig/0/timeout' "${minimal[@]}" \
  'mesh.policy.methodConfig[0].name[0].service=a.B,mesh.policy.methodConfig[0].timeout=500ms'
refused "'cash' not allowed" "${minimal[@]}" mesh.tls.existingSecrets.cash=cash-tls
refused '/mesh/tls/trustDomain' "${minimal[@]}" mesh.tls.trustDomain=spiffe://paymesh
refused "'tls' not allowed" "${minimal[@]}" config.mesh.tls.cert=/tls.crt
refused "'policy' not allowed" "${minimal[@]}" config.mesh.policy=/policy.json
refused '/config/mesh/callers' "${minimal[@]}" 'config.mesh.callers.PayOrder={client}'
refused '/config/log/otlp' "${minimal[@]}" config.log.otlp=collector:4317
refused 'mesh.tls.certificates.issuerRef.name' "${minimal[@]}" mesh.tls.enabled=true,mesh.tls.certificates.enabled=true
summed schema

# Of each Deployment, one line: its name and the digest of its configuration.
digests() {
  template "${minimal[@]}" "$1" --show-only templates/deployments.yaml |
    awk '$1 == "name:" && !name { name = $2 } $1 == "checksum/config:" { print name, $2; name = "" } /^---/ { name = "" }'
}

nobody_restarts() {
  template "${minimal[@]}" mesh.discovery=dns --show-only templates/deployments.yaml >"$work/before"
  template "${minimal[@]}" mesh.policy.retryThrottling.maxTokens=50,mesh.policy.retryThrottling.tokenRatio=1 \
    --show-only templates/deployments.yaml >"$work/after"
  diff "$work/before" "$work/after"
}

only_trade_restarts() {
  local changed
  digests config.trade.pay_limit=1h >"$work/before"
  digests config.trade.pay_limit=2h >"$work/after"
  changed=$(join "$work/before" "$work/after" | awk '$2 != $3 { print $1 }' | paste -sd ' ')
  echo "restarted: $changed"
  [ "$changed" = "paymesh-trade paymesh-work-trade" ]
}

for values in "$chart"/ci/*.yaml; do
  file=$work/$(basename "$values")
  check "render $values" render "$values" "$file"
  rendered+=("$file")
done
check "render k8s/" scripts/chart-render.sh "$work/k8s"
rendered+=("$work"/k8s/*.yaml)
check "k8s/ is what the chart renders (else: make chart)" diff -r -x README.md k8s "$work/k8s"
check "a setting of trade restarts trade's processes alone" only_trade_restarts
check "another policy restarts nobody" nobody_restarts
summed render

# A kind without a schema is only warned of, and cert-manager's has none here: check.py looks at those.
valid() {
  "$python" -m kubernetes_validate --quiet --strict -k "$1" "$2" >"$work/said" || { cat "$work/said" && return 1; }
  ! grep -v 'kind Certificate with api version cert-manager.io/v1 ' "$work/said"
}

for kubernetes in "$oldest_kubernetes" "$newest_kubernetes"; do
  for file in "${rendered[@]}"; do
    check "Kubernetes $kubernetes: $(basename "$file")" valid "$kubernetes" "$file"
  done
done
summed kubernetes

part templates "$unittest" "$chart"
part agreement "$python" helm/check.py "${rendered[@]}"
part image "$python" helm/check_image.py

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
