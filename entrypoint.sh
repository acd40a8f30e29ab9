#!/bin/sh
# Makes the mounted folders belong to the bot's user, whatever the host made of them, and goes on as that user.
set -eu
if [ "$(id -u)" = 0 ]; then
    for folder in /app/data /app/secrets; do
        mkdir -p "$folder"
        [ "$(stat -c %U "$folder")" = attendance ] || chown -R attendance:attendance "$folder"
        chmod 700 "$folder"
    done
    exec gosu attendance "$@"
fi
exec "$@"
