# syntax=docker/dockerfile:1
# docker build --tag driftline .
# A release passes the base image with its digest: --build-arg PYTHON_IMAGE=python:3.13-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source

# Dependencies first: they change less often than the source.
COPY locks/build.txt locks/processor.txt locks/
RUN python -m venv --without-pip /opt/driftline \
    && python -m pip --python /opt/driftline/bin/python install --no-compile --require-hashes --only-binary :all: --requirement locks/processor.txt \
    && python -m pip install --require-hashes --only-binary :all: --requirement locks/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY sdk sdk
COPY collector_processor collector_processor
COPY integrations integrations
RUN python -m pip wheel --no-build-isolation --no-deps --wheel-dir /dist . \
    && python -m pip --python /opt/driftline/bin/python install --no-compile --no-deps /dist/*.whl

# What no process of Driftline loads: tests of libraries, headers, Arrow Flight and S3 (83 MB).
WORKDIR /opt/driftline/lib/python3.13/site-packages
RUN find numpy scipy pyarrow -depth -type d -name tests -exec rm -r '{}' + \
    && rm -r pyarrow/include pyarrow/src pyarrow/libarrow_flight* pyarrow/_flight* pyarrow/libarrow_python_flight* \
        pyarrow/libarrow_s3* pyarrow/_s3fs*

# Read Parquet, evaluate it, write a report, and start the processor. This is the smoke test of what was removed above,
# and it writes the bytecode of what these commands load: with a read-only file system each start would compile it again.
ENV PATH=/opt/driftline/bin:${PATH} PYTHONPYCACHEPREFIX=/opt/driftline/bytecode
WORKDIR /tmp/smoke
# hadolint ignore=DL3001
RUN driftline --help >help.txt \
    && python -c "import pyarrow as pa, pyarrow.parquet as pq; [pq.write_table(pa.table({'age': [i * i % n for i in range(2000)], 'score': [i % n / n for i in range(2000)], 'late': [i * 7 % n > 40 for i in range(2000)]}), f'{n}.parquet') for n in (71, 97)]" \
    && driftline evaluate 97.parquet --baseline 71.parquet --task binary --score score --actual late --html report.html >verdict.txt \
    && { driftline up & } \
    && process=$! \
    && until python -c "import urllib.request as http; http.urlopen('http://127.0.0.1:8780/healthz')" 2>answer.txt; do kill -0 "$process" && sleep 0.5 || exit 1; done \
    && kill -INT "$process" && wait "$process"

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Driftline" \
      org.opencontainers.image.description="OpenTelemetry for predictive models: the processor" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 65532 driftline \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /var/lib/driftline --shell /usr/sbin/nologin driftline \
    && install --directory --owner 65532 --group 65532 --mode 0700 /var/lib/driftline
COPY --from=build /opt/driftline /opt/driftline
ENV PATH=/opt/driftline/bin:${PATH} PYTHONPYCACHEPREFIX=/opt/driftline/bytecode PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /var/lib/driftline
VOLUME /var/lib/driftline
EXPOSE 4317 4318 8780
# The certificate is not checked: the request stays inside the container. With client certificates on the web port, or
# another port, set DRIFTLINE_HEALTH_URL to an address that answers.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import os, ssl, urllib.request as http; http.urlopen(os.environ.get('DRIFTLINE_HEALTH_URL', 'http://127.0.0.1:8780/healthz'), timeout=4, context=ssl._create_unverified_context())"]
ENTRYPOINT ["driftline"]
CMD ["up", "--config", "/etc/driftline/driftline.yaml"]
