#!/bin/sh
# Make the Secrets that the manifests name, from an empty folder of your own: sh create_secrets.sh FOLDER
#
# Tokens and the authority's key stay in FOLDER: give each token to its holder and keep the rest where secrets are kept.
# The cluster gets digests of tokens; only the Collector and Prometheus get their own token.
set -eu
[ $# -eq 1 ] || { echo "usage: create_secrets.sh FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
namespace=${NAMESPACE:-driftline}
umask 077
mkdir -p "$1"
cd "$1"

for server in driftline collector; do
    if [ ! -f "$server/tls.crt" ]; then
        mkdir -p "$server"
        [ ! -f ca.key ] || cp ca.key ca.crt "$server"
        sh "$here/../make_certificates.sh" "$server" "$server" "$server.$namespace" "$server.$namespace.svc" \
            "$server.$namespace.svc.cluster.local" localhost
    fi
    cp "$server/ca.crt" .
    [ ! -f "$server/ca.key" ] || mv "$server/ca.key" .
done

token() { # token NAME CAPABILITIES
    [ -f "tokens/$1.token" ] || driftline token create "$1" --may "$2" --directory tokens >/dev/null
}
token collector ingest,baselines
token labels outcomes
token prometheus metrics
token operator read,read_rows,annotate,decide,admin
token shop ingest # for the Collector: Driftline does not know this one

secret() { # secret NAME ARGUMENTS: made, or replaced
    name=$1
    shift
    kubectl create secret generic "$name" --namespace "$namespace" --dry-run=client --output yaml "$@" | kubectl apply --filename -
}
sed "s/^  name: driftline\$/  name: $namespace/" "$here/namespace.yaml" | kubectl apply --filename -
for server in driftline collector; do
    secret "$server-tls" --type kubernetes.io/tls \
        --from-file="tls.crt=$server/tls.crt" --from-file="tls.key=$server/tls.key" --from-file="ca.crt=$server/ca.crt"
done
secret driftline-tokens \
    --from-file=collector=tokens/collector.sha256 --from-file=labels=tokens/labels.sha256 \
    --from-file=prometheus=tokens/prometheus.sha256 --from-file=operator=tokens/operator.sha256
secret collector-tokens --from-file=driftline=tokens/collector.token --from-file=services=tokens/shop.token
# Prometheus Operator sends the value as it is, and an end of line is not valid in a header.
tr -d '\n' <tokens/prometheus.token | secret driftline-prometheus-token --from-file=token=/dev/stdin
