#!/bin/sh
# Gives the mounted folders to the bot's user, whoever owns them on the host, and continues as that user.
set -eu
export HEALTH_PORT="${HEALTH_PORT:-8081}"  # also if .env leaves it empty
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
