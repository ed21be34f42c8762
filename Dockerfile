# The runtime's own lock, without what only tests need; --require-hashes refuses anything that is not in it.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /opt/adpulse
COPY requirements-runtime.lock ./
RUN /opt/adpulse/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-runtime.lock
COPY adpulse adpulse
COPY adpulse_sandbox adpulse_sandbox
COPY storage storage
COPY tasks tasks
COPY flows flows
COPY deployments deployments
COPY prefect.yaml pyproject.toml README.md LICENSE ./
# The wheel that tests/slow/test_wheel.py tries; the lock has setuptools, so nothing else is fetched.
RUN /opt/adpulse/bin/pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /opt/adpulse/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps /wheel/*.whl

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 adpulse \
    && useradd --uid 10001 --gid adpulse --home-dir /var/lib/adpulse --no-create-home --shell /usr/sbin/nologin adpulse \
    && install -d -o adpulse -g adpulse -m 0700 /var/lib/adpulse \
    && install -d -o adpulse -g adpulse /sandbox
COPY --from=build /opt/adpulse /opt/adpulse
ENV PATH=/opt/adpulse/bin:/usr/local/bin:/usr/bin:/bin
ENV PYTHONDONTWRITEBYTECODE=1
ENV PYTHONUNBUFFERED=1
ENV DO_NOT_TRACK=1
ENV ADPULSE_HOME=/var/lib/adpulse
WORKDIR /var/lib/adpulse
USER 10001:10001
CMD ["adpulse", "--help"]
