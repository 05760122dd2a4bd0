#!/bin/sh
# Makes what the other services of compose.yaml need to know each other, once: a certificate authority, a certificate for
# each server, a token for each sender, and passwords of people. Each service gets a volume of its own with what it needs
# and nothing else; Driftline gets digests of tokens only.
set -eu

# Dashboards and traces lead to the pages: at web.public_url of driftline.yaml.
mkdir -p /links/dashboards
cd /init
for file in dashboards/*.json jaeger-ui.json; do
    sed 's#http://127.0.0.1:8780#https://localhost:8780#g' "$file" >"/links/$file"
done

umask 077
cd /secrets
if [ -f ready ]; then
    exit 0
fi

server() { # server NAME USER: certificates for the server NAME, which runs as USER
    cp authority/ca.key authority/ca.crt "$1"
    sh /init/make_certificates.sh "$1" "$1" localhost
    rm "$1/ca.key"
}

rm -rf new # what an interrupted attempt left
mkdir -p authority
sh /init/make_certificates.sh authority unused
server driftline
server collector
server grafana
cp authority/ca.crt shop/ca.crt
cp authority/ca.crt prometheus/ca.crt
cp authority/ca.crt people/ca.crt

token() { # token NAME CAPABILITIES HOLDER: the digest for Driftline, the token for its holder
    driftline token create "$1" --may "$2" --directory new >/dev/null
    mv "new/$1.sha256" driftline/
    mv "new/$1.token" "$3/"
}

token collector ingest,baselines collector
token labels outcomes shop
token prometheus metrics prometheus
token operator read,read_rows,annotate,decide,erase,admin people

# The Collector asks the service for a token, too. Driftline never sees this one.
driftline token create shop --may ingest --directory new >/dev/null
cp new/shop.token collector/
mv new/shop.token shop/
rm -r new

openssl rand -hex 16 >people/grafana.password
cp people/grafana.password grafana/grafana.password

# Users: those of the images.
chown -R 65532:65532 driftline shop people
chown -R 10001:10001 collector
chown -R 65534:65534 prometheus
chown -R 472:0 grafana
touch ready
