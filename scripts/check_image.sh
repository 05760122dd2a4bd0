#!/bin/sh
# What is promised of the image: sh scripts/check_image.sh IMAGE. Needs Docker.
set -eu
image=$1
most=350000000 # bytes that a cluster pulls; on disk, the libraries that it loads alone have 340 MB

pulled=$(docker save "$image" | gzip -6 | wc -c)
echo "pulled: $((pulled / 1000000)) MB, on disk: $(($(docker image inspect --format '{{.Size}}' "$image") / 1000000)) MB"
[ "$pulled" -lt "$most" ] || { echo "check_image.sh: $image is larger than $((most / 1000000)) MB" >&2; exit 1; }

case $(docker image inspect --format '{{.Config.User}}' "$image") in
"" | 0 | 0:* | root*) echo "check_image.sh: $image runs as root" >&2; exit 1 ;;
esac

# Without root, privileges and a writable file system, and with less than the smallest ulimit of a cluster.
container=$(docker run --detach --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --memory 1536m "$image" up)
trap 'docker rm --force --volumes "$container" >/dev/null' EXIT
attempts=60
until docker exec "$container" python -c "import urllib.request as http; http.urlopen('http://127.0.0.1:8780/readyz', timeout=4)" 2>/dev/null; do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || { docker logs "$container" >&2; echo "check_image.sh: $image does not become ready" >&2; exit 1; }
    sleep 1
done
docker stop --time 25 "$container" >/dev/null
code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
[ "$code" = 0 ] || { echo "check_image.sh: $image ended with exit code $code" >&2; exit 1; }
echo "ready without root, privileges and a writable file system; stopped in order"
