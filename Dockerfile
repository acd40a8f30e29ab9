# One image for amd64 and arm64: Debian has Chromium for both, while there is no Google Chrome for arm64.
# Targets: bot (the default) and sandbox, which adds the simulators.
FROM python:3.11-slim AS files
COPY . /app
RUN mv /app/sandbox /sandbox

FROM python:3.11-slim AS bot

# The headless shell needs half of the full browser's memory; tini forwards signals and reaps Chrome's zombies. The
# driver's package depends on the full browser, 500 MB with its dependencies, none of which is used: only the driver is
# taken out of its package. The shell depends on all libraries that the driver needs.
RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium-headless-shell tini gosu fonts-dejavu-core \
    && cd /tmp \
    && apt-get download chromium-driver \
    && dpkg --extract chromium-driver_*.deb / \
    && rm -rf chromium-driver_*.deb /var/lib/apt/lists/* \
    && chromedriver --version

WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

COPY --from=files /app .
RUN useradd --create-home --uid 10001 attendance \
    && mkdir -p data secrets \
    && chown attendance:attendance data secrets \
    && chmod 700 data secrets \
    && chmod 1777 /home/attendance \
    && ln -s /app/entrypoint.sh /usr/local/bin/check

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/home/attendance

VOLUME ["/app/data", "/app/secrets"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "core.health"]

# The entry point starts as root only to give the mounted folders to the bot's user, and then becomes that user, with
# tini as the init process.
ENTRYPOINT ["/app/entrypoint.sh"]
CMD ["python", "bot.py"]

# Both products with everything around them simulated, for a look: `docker compose up sandbox`. It keeps nothing.
FROM bot AS sandbox
# Without dependencies: of two of these packages only a picture is used.
COPY requirements-sandbox.txt .
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps -r requirements-sandbox.txt
COPY --from=files /sandbox sandbox
USER attendance
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/api/sandbox')"]
ENTRYPOINT ["tini", "-g", "--"]
# Its port is published on the host's 127.0.0.1 only (docker-compose.yml).
CMD ["python", "-m", "sandbox", "--host", "0.0.0.0"]

FROM bot
