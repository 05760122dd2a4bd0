#!/usr/bin/env bash
# Install the real peers of the interoperability tests into .peers/ (git-ignored), each from its Go module,
# OpenTelemetry's SDK for JavaScript and an OpenID provider where there is npm, and a broker of Kafka and Spark (its wheel
# and its connectors for Kafka, Delta and Iceberg) where there is Maven.
# install_peers.sh quick: those that are downloaded and not built, without Spark.
#
# Prometheus and Jaeger have replace directives in their go.mod, which `go install pkg@version` refuses, so they are built
# in a copy of the module's own source: with the dependencies and checksums of the release. One compiler at a time, since
# a peer is several hundred packages. A peer that is there in the wanted version is left alone; one that cannot be had is
# named, and its tests skip.
set -uo pipefail
cd "$(dirname "$0")/.."

OIDC=8.8.1
JAEGER=v1.76.0
PROMETHEUS=v0.314.0 # the Go module's number of Prometheus 3.14
COLLECTOR=v0.160.0
HELM=v3.18.6
JAVASCRIPT=2.12.1
JAVASCRIPT_OTLP=0.223.0
JAVASCRIPT_API=1.9.0
KAFKA=4.1.0
SPARK=4.1.1 # the newest for which Kafka, Delta and Iceberg have a connector
DELTA=4.4.0
ICEBERG=1.12.0

PEERS=$PWD/.peers
mkdir -p "$PEERS"

missing=0

if command -v npm >/dev/null; then
    wanted="sdk-metrics@$JAVASCRIPT resources@$JAVASCRIPT exporter-metrics-otlp-proto@$JAVASCRIPT_OTLP"
    # examples/other-languages/javascript; its exporters of traces and logs come with the SDK for Node.js
    wanted="$wanted api@$JAVASCRIPT_API api-logs@$JAVASCRIPT_OTLP sdk-node@$JAVASCRIPT_OTLP"
    if [ "$(cat "$PEERS/js.version" 2>/dev/null)" != "$wanted" ]; then
        mkdir -p "$PEERS/js"
        # shellcheck disable=SC2086 # one word each
        if (cd "$PEERS/js" && npm install --no-audit --no-fund --ignore-scripts $(printf '@opentelemetry/%s ' $wanted)) \
            >"$PEERS/js.log" 2>&1; then
            echo "$wanted" >"$PEERS/js.version"
        else
            echo "OpenTelemetry for JavaScript could not be installed; its tests are skipped; see .peers/js.log" >&2
            missing=1
        fi
    fi
fi

if command -v npm >/dev/null && [ "$(cat "$PEERS/oidc.version" 2>/dev/null)" != "$OIDC" ]; then
    mkdir -p "$PEERS/oidc"
    if (cd "$PEERS/oidc" && npm install --no-audit --no-fund --ignore-scripts "oidc-provider@$OIDC") >"$PEERS/oidc.log" 2>&1
    then
        echo "$OIDC" >"$PEERS/oidc.version"
    else
        echo "oidc-provider could not be installed; its tests are skipped; see .peers/oidc.log" >&2
        missing=1
    fi
fi

# jars NAME VERSION TITLE DEPENDENCIES [OPTION]: fetch jars and what they need from Maven Central into .peers/NAME.
jars() {
    local name=$1 version=$2 title=$3 dependencies=$4 option=${5:-} folder
    if [ "$(cat "$PEERS/$name.version" 2>/dev/null)" = "$version" ]; then
        return
    fi
    echo "fetching $title $version (once) ..."
    folder=$(mktemp -d)
    cat >"$folder/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>driftline</groupId><artifactId>$name</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>$dependencies</dependencies>
</project>
POM
    rm -rf "${PEERS:?}/$name"
    if mvn -q -B -f "$folder/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PEERS/$name" \
        ${option:+"$option"} >"$PEERS/$name.log" 2>&1; then
        echo "$version" >"$PEERS/$name.version"
    else
        echo "$title could not be fetched; its tests are skipped; see .peers/$name.log" >&2
        missing=1
    fi
    rm -rf "$folder"
}

# dependency GROUP ARTIFACT VERSION
dependency() {
    echo "<dependency><groupId>$1</groupId><artifactId>$2</artifactId><version>$3</version></dependency>"
}

if command -v mvn >/dev/null && command -v java >/dev/null; then
    jars kafka "$KAFKA" "a broker of Kafka" \
        "$(dependency org.apache.kafka kafka_2.13 "$KAFKA")$(dependency org.slf4j slf4j-simple 1.7.36)"
    if [ "${1:-}" != quick ]; then
        jars spark "$SPARK" "Spark's source of Kafka" \
            "$(dependency org.apache.spark spark-sql-kafka-0-10_2.13 "$SPARK")" \
            -DincludeArtifactIds=spark-sql-kafka-0-10_2.13,spark-token-provider-kafka-0-10_2.13,kafka-clients,commons-pool2
        jars delta "$DELTA" "Spark's connector for Delta" \
            "$(dependency io.delta "delta-spark_${SPARK%.*}_2.13" "$DELTA")" -DincludeGroupIds=io.delta
        jars iceberg "$ICEBERG" "Spark's connector for Iceberg" \
            "$(dependency org.apache.iceberg "iceberg-spark-runtime-${SPARK%.*}_2.13" "$ICEBERG")"
        if [ -x .venv/bin/python ] && [ "$(.venv/bin/python -c \
            'import importlib.metadata as m; print(m.version("pyspark"))' 2>/dev/null)" != "$SPARK" ]; then
            echo "installing Spark $SPARK (once; 450 MB) ..."
            if ! .venv/bin/python -m pip install --quiet "pyspark==$SPARK" >"$PEERS/pyspark.log" 2>&1; then
                echo "Spark could not be installed; its tests are skipped; see .peers/pyspark.log" >&2
                missing=1
            fi
        fi
    fi
else
    echo "the tests of Kafka and Spark are skipped: they need Java 17 and Maven" >&2
fi

if [ "${1:-}" = quick ]; then
    exit $missing
fi

if ! command -v go >/dev/null; then
    echo "make interop builds Jaeger, Prometheus and a Collector: install Go 1.25 or newer from https://go.dev/dl/" >&2
    exit 1
fi

# build NAME VERSION COMMAND...: run COMMAND in an empty folder; it leaves the executable NAME there.
build() {
    local name=$1 version=$2
    shift 2
    if [ -x "$PEERS/$name" ] && [ "$(cat "$PEERS/$name.version" 2>/dev/null)" = "$version" ]; then
        return
    fi
    echo "building $name $version (once; some minutes) ..."
    local folder
    folder=$(mktemp -d)
    if (cd "$folder" && "$@") >"$PEERS/$name.log" 2>&1; then
        mv "$folder/$name" "$PEERS/$name" && echo "$version" >"$PEERS/$name.version"
    else
        echo "$name $version could not be built; its tests are skipped; the reason is at the end of .peers/$name.log" >&2
        missing=1
    fi
    rm -rf "$folder"
}

# from_module NAME MODULE VERSION PACKAGE
from_module() {
    local source
    source=$(go mod download -json "$2@$3" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p') && [ -d "$source" ] &&
        cp -r "$source" source && chmod -R u+w source &&
        (cd source && GOWORK=off nice -n 19 go build -p 1 -ldflags "-s -w" -o "../$1" "./$4")
}

collector() {
    GOBIN=$PWD go install -p 1 "go.opentelemetry.io/collector/cmd/builder@$COLLECTOR" &&
        sed "s/VERSION/$COLLECTOR/" "$MANIFEST" >manifest.yaml &&
        GOFLAGS="${GOFLAGS:-} -p=1" nice -n 19 ./builder --config manifest.yaml &&
        mv otelcol/otelcol-driftline otel-collector
}
MANIFEST=$PWD/tests/interop/collector.yaml

build helm "$HELM" from_module helm helm.sh/helm/v3 "$HELM" cmd/helm
build jaeger "$JAEGER" from_module jaeger github.com/jaegertracing/jaeger "$JAEGER" cmd/all-in-one
build prometheus "$PROMETHEUS" from_module prometheus github.com/prometheus/prometheus "$PROMETHEUS" cmd/prometheus
build promtool "$PROMETHEUS" from_module promtool github.com/prometheus/prometheus "$PROMETHEUS" cmd/promtool
# Its manifest is a part of what it is.
build otel-collector "$COLLECTOR $(cksum <"$MANIFEST")" collector
exit $missing
