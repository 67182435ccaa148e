# The program with all its adapters, in the versions of requirements.lock; runs as a user without rights.
FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
RUN pip install uv==0.13.8 && python -m venv /opt/spice
WORKDIR /source
COPY pyproject.toml requirements.lock README.md LICENSE ./
# The lock also names the tools of development: what is installed is the program's own, at the lock's versions and hashes.
RUN uv pip install --python /opt/spice --constraint requirements.lock --requirements pyproject.toml --extra full
COPY spice_core spice_core
COPY spice_api spice_api
COPY spice_workers spice_workers
COPY spice_assets spice_assets
RUN uv pip install --python /opt/spice --no-deps .

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/spice --shell /usr/sbin/nologin spice \
    && install -d -o spice -g spice -m 700 /var/lib/spice /var/lib/spice/dagster
COPY --from=build /opt/spice /opt/spice
COPY deploy/spice-health /usr/local/bin/spice-health
ENV PATH=/opt/spice/bin:$PATH PYTHONUNBUFFERED=1 SPICE_HOME=/var/lib/spice
USER spice
WORKDIR /var/lib/spice
VOLUME /var/lib/spice
CMD ["spice", "--help"]
