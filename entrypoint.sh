#!/bin/sh
# Gives the mounted folders to the bot's user, whoever owns them on the host, and continues as that user.
set -eu
# Also if .env leaves it empty. In the container it listens on all interfaces: whether its port is published is up to
# docker-compose.yml.
export HEALTH_PORT="${HEALTH_PORT:-8081}"
case "$HEALTH_PORT" in *:*) ;; *) HEALTH_PORT="0.0.0.0:$HEALTH_PORT" ;; esac
if [ "$(id -u)" = 0 ]; then
    for folder in /app/data /app/secrets; do
        mkdir -p "$folder"
        # a folder that is mounted read-only keeps its owner and mode
        find "$folder" ! -user attendance -exec chown attendance:attendance {} + 2>/dev/null || true
        chmod 700 "$folder" 2>/dev/null || true
    done
    exec gosu attendance "$@"
fi
exec "$@"
