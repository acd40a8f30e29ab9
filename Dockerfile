# One image for amd64 and arm64: Debian has Chromium for both, while there is no Google Chrome for arm64.
FROM python:3.11-slim

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

COPY . .
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
