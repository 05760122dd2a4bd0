#!/bin/sh
# A certificate authority of your own, and a certificate of a server that it signs, for trials and where cert-manager or
# a company's authority is missing: sh make_certificates.sh DIRECTORY NAME...
#
# Writes ca.crt (for clients), ca.key (keep it away from servers), tls.crt and tls.key (for the server NAME...). An
# authority that is there already is used again; the server's files are replaced, which a processor notices by itself.
set -eu
[ $# -ge 2 ] || { echo "usage: make_certificates.sh DIRECTORY NAME..." >&2; exit 2; }
umask 077
mkdir -p "$1"
cd "$1"
shift
key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

if [ -f ca.crt ] && [ ! -f ca.key ]; then
    echo "$PWD/ca.crt has no ca.key beside it; bring the key back, or remove ca.crt to make a new authority" >&2
    exit 2
fi
if [ ! -f ca.key ]; then
    # shellcheck disable=SC2086 # the options of a key
    openssl req -x509 $key -keyout ca.key -out ca.crt -days 1825 -subj "/CN=Driftline trial authority" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
fi
# shellcheck disable=SC2086
openssl req $key -keyout tls.key -out tls.csr -subj "/CN=$1" 2>/dev/null
{
    echo "basicConstraints=critical,CA:FALSE"
    echo "extendedKeyUsage=serverAuth"
    printf 'subjectAltName=IP:127.0.0.1'
    printf ',DNS:%s' "$@"
} >tls.extensions
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile tls.extensions -out tls.crt \
    2>/dev/null
rm -f tls.csr tls.extensions ca.srl
chmod 644 ca.crt tls.crt
