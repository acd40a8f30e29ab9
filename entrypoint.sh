#!/bin/sh
# Makes the mounted folders belong to the bot's user, whatever the host made of them, and goes on as that user.
set -eu
export HEALTH_PORT="${HEALTH_PORT:-8081}"  # also where .env leaves it empty
if [ "$(id -u)" = 0 ]; then
    for folder in /app/data /app/secrets; do
        mkdir -p "$folder"
        # a folder that is mounted read-only stays as it is: whoever mounted it has seen to it
        find "$folder" ! -user attendance -exec chown attendance:attendance {} + 2>/dev/null || true
        chmod 700 "$folder" 2>/dev/null || true
    done
    exec gosu attendance "$@"
fi
exec "$@"
