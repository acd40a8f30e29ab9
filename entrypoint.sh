#!/bin/sh
# Gives the mounted folders to the bot's user and continues as that user: whoever owns ./data on the host, so that the
# operator can add rosters and photos, or the image's own user where root owns it. As `check` it runs bot.py --check.
set -eu
# Also if .env leaves it empty. In the container it listens on all interfaces: whether its port is published is up to
# docker-compose.yml.
export HEALTH_PORT="${HEALTH_PORT:-8081}"
case "$HEALTH_PORT" in *:*) ;; *) HEALTH_PORT="0.0.0.0:$HEALTH_PORT" ;; esac
[ "${0##*/}" != check ] || { cd /app; set -- python bot.py --check "$@"; }
# The init process forwards signals and reaps Chrome's zombies. It is not root either: root without the capability KILL
# can't signal the bot.
[ $$ != 1 ] || set -- tini -g -- "$@"
[ "$(id -u)" = 0 ] || exec "$@"
user=$(stat -c %u:%g /app/data)
[ "${user%%:*}" != 0 ] || user=$(id -u attendance):$(id -g attendance)
for folder in /app/data /app/secrets; do
    # a folder that is mounted read-only keeps its owner and mode
    find "$folder" ! -user "${user%%:*}" -exec chown -h "$user" {} + 2>/dev/null || true
    chmod 700 "$folder" 2>/dev/null || true
done
# root's rights end here: what follows has no capability and, with no-new-privileges, no way back to one
exec gosu "$user" env HOME="$HOME" "$@"
