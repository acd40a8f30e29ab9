# What the `run` of each server in Java has in common; sourced by it, in its own folder, with `name` set.
# After `prepare` the server's classes are in target/classes and what it needs in target/lib; `java` is the command.
# Exit code 69: something that it needs is not there.

missing() {
    echo "$name: $1" >&2
    exit 69
}

java=${JAVA_HOME:+$JAVA_HOME/bin/}java
built=target/built

is_built() {
    [[ -e $built && -z $(find pom.xml $(ls -d src 2>/dev/null) -newer "$built" -print -quit) ]]
}

build() {
    command -v mvn >/dev/null || missing "Maven is missing (mvn)"
    "${java}c" -version >/dev/null 2>&1 || missing "the compiler of Java 17 is missing (javac)"
    local log=target/build.log
    # Standard input belongs to the server; a new file's time is the build's start, so no change is missed.
    rm -rf target/classes target/lib
    touch target/building
    if ! mvn -B -q process-classes >"$log" 2>&1 </dev/null; then
        if grep -qE 'could not be resolved|Could not (resolve|transfer|find)' "$log"; then
            missing "Maven cannot get what it needs from its repository (tests/$name/$log)"
        fi
        cat "$log" >&2
        exit 1
    fi
    mv target/building "$built"
}

prepare() {
    local version
    version=$("$java" -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.specification.version = //p') || true
    [[ ${version%%.*} =~ ^[0-9]+$ && ${version%%.*} -ge 17 ]] || missing "Java 17 is missing (found: ${version:-none})"
    mkdir -p target
    # Several tests may start at once: the first one builds, the others wait for it.
    exec 9>target/lock
    flock 9
    is_built || build
    exec 9>&-
}
